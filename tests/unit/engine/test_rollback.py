"""Which release a rollback means."""

import pytest

from nuages.engine.rollback import earlier_configuration, target_of
from nuages.errors import ReleaseError, UsageError
from nuages.settings.configuration import rotate_key, set_values
from nuages.testing import LAYOUT, FakeTransport, shop_config, shop_live, shop_release


THREE = shop_live(shop_release(1, "b1"), shop_release(2, "b2"), shop_release(3, "b3"))


def test_without_a_number_it_is_the_one_before():
    assert target_of(THREE, None) == 2


def test_a_release_that_is_the_same_is_no_way_back():
    live = shop_live(shop_release(1, "b1"), shop_release(2, "b2"), shop_release(3, "b2"))
    assert target_of(live, None) == 1


def test_a_rollback_of_a_rollback_goes_further_back():
    live = shop_live(shop_release(1, "b1"), shop_release(2, "b2"), shop_release(3, "b3"), shop_release(4, "b2", 2, rollback_to=2))
    assert target_of(live, None) == 1


@pytest.mark.parametrize("wish", ["v1", "1"])
def test_a_number_is_taken_at_its_word(wish):
    assert target_of(THREE, wish) == 1


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        ("v3", UsageError, "v3 is the live release"),
        ("v9", ReleaseError, "v9 is not on disk"),
        ("v0", ReleaseError, "v0 is not on disk"),
        ("last", UsageError, "'last' is not a release"),
        ("v", UsageError, "'v' is not a release"),
        ("v²", UsageError, "is not a release"),
        ("-1", UsageError, "'-1' is not a release"),
    ],
)
def test_what_can_not_be_meant_is_told(wish, error, said):
    with pytest.raises(error, match=said):
        target_of(THREE, wish)


def test_with_one_release_there_is_no_way_back():
    with pytest.raises(ReleaseError, match="no earlier release"):
        target_of(shop_live(shop_release(1)), None)


def test_the_configuration_of_the_earlier_release_comes_under_a_new_version():
    import json

    old = shop_config(version=1, env={"A": "old"})
    newest = rotate_key(set_values(old, {"A": "new"}))
    here = FakeTransport({str(LAYOUT.config(1)): json.dumps(old.as_dict())})
    back = earlier_configuration(here, THREE, 1)(newest)
    assert (back.version, back.env, back.secret_key) == (4, {"A": "old"}, newest.secret_key)


def test_a_configuration_that_is_gone_is_named():
    with pytest.raises(ReleaseError, match="config v1 of v1 is gone"):
        earlier_configuration(FakeTransport(), THREE, 1)
