"""Same input, same id; each ingredient changes it."""

from pathlib import Path

import pytest

from nuages.errors import ReleaseError
from nuages.release.build import build_id, describe_source, load_build
from nuages.release.layout import Layout, local_site
from nuages.release.source import Source


SOURCE = Source(Path("/home/ada/shop"), ("manage.py",), "digest-of-files", commit="c0ffee", dirty=True)
CHOICES = {"settings": "shop.settings", "build": ("npm run build",)}
ID = build_id(SOURCE, "venv1", CHOICES)


def test_the_same_input_has_the_same_id():
    assert build_id(SOURCE, "venv1", dict(reversed(CHOICES.items()))) == ID


def test_where_the_project_lies_and_how_it_was_committed_does_not_matter():
    assert build_id(Source(Path("/elsewhere"), (), "digest-of-files"), "venv1", CHOICES) == ID


@pytest.mark.parametrize(
    ("digest", "environment", "choices"),
    [
        ("other-digest", "venv1", CHOICES),
        ("digest-of-files", "venv2", CHOICES),
        ("digest-of-files", "venv1", {**CHOICES, "settings": "shop.production"}),
        ("digest-of-files", "venv1", {**CHOICES, "build": ()}),
    ],
    ids=["files", "environment", "settings", "front end"],
)
def test_each_ingredient_changes_it(digest, environment, choices):
    assert build_id(Source(SOURCE.root, (), digest), environment, choices) != ID


def test_another_overlay_is_another_id(monkeypatch):
    monkeypatch.setattr("nuages.release.build.runtime_digest", lambda: "another")
    assert build_id(SOURCE, "venv1", CHOICES) != ID


def test_the_id_is_fit_for_a_folder():
    assert len(ID) == 12
    assert ID.isalnum()


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"commit": "0123456789abcdef"}, "01234567"),
        ({"commit": "0123456789abcdef", "dirty": True}, "01234567 + changes"),
        ({"commit": "", "dirty": True}, "working tree"),
        ({}, "working tree"),
    ],
)
def test_people_name_a_build_by_its_commit(manifest, said):
    assert describe_source(manifest) == said


def test_a_build_that_is_gone_is_an_error_with_a_way_out(tmp_path):
    with pytest.raises(ReleaseError, match="build b1 is not on this host any more") as error:
        load_build(Layout(tmp_path), "b1")
    assert error.value.hint


def test_state_lies_where_xdg_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert local_site("shop").dir == tmp_path / "nuages" / "shop"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_site("shop").dir == tmp_path / ".local" / "share" / "nuages" / "shop"
