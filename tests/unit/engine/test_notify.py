"""What people hear of a deploy, and that no address or hanging server of theirs is in its way."""

import pytest
from post_box import post_box

from nuages.engine import notify
from nuages.engine.facts import Facts
from nuages.engine.model import Plan
from nuages.engine.notify import Courier, post
from nuages.engine.notify_text import Message, changed_names, on_failure, on_start, on_success, samples
from nuages.testing import shop_config, shop_topology
from nuages.topology.model import Notify


FACTS = Facts(
    "shop", "staging", "up", "deploy", ("web-1",), 8, 7, "c0ffee1234", "beef", "main", True, "ada", "", "https://shop.example/"
)  # fmt: skip


@pytest.fixture
def box():
    with post_box() as box:
        yield box


def test_a_start_names_the_site_its_environment_the_release_and_who():
    assert on_start(FACTS).headline == "shop (staging): deploy of v8 begins, by ada"


def test_a_success_tells_what_changed():
    message = on_success(FACTS, ("a1 Fix the basket",), Plan(), ("GREETING", "worker"), 12.34)
    fields = dict(message.fields)
    assert message.headline == "shop (staging): v8 is live at https://shop.example/"
    assert message.lines == ("a1 Fix the basket",)
    assert (fields["configuration"], fields["took"], fields["commit"]) == (
        "GREETING, worker",
        "12.3 s",
        "c0ffee12 + changes (main)",
    )
    assert "Fix the basket" in message.text


def test_a_failure_tells_the_error_and_what_became_of_it():
    message = on_failure(FACTS, "the tests failed", "nothing was changed", 3)
    assert message.lines == ("the tests failed", "nothing was changed")


def test_a_commit_calls_no_channel_of_slack():
    told = Message("success", "x", ("<!channel> & <@U1>",)).as_slack()
    assert told["attachments"][0]["text"] == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


def test_a_change_of_configuration_is_told_by_names_alone():
    before = shop_config(env={"A": "1", "B": "2"}).as_dict()
    after = shop_config(env={"A": "1", "B": "secret", "C": "3"}, scale={"web": 4})
    assert changed_names(before, after) == ("B", "C", "web")
    assert changed_names(before, shop_config(env={"A": "1", "B": "2"}, secret_key="another")) == ("the secret key",)


def test_a_webhook_gets_what_slack_takes(box):
    assert post(box.url, samples("shop", "production")[1]) == ""
    assert box.posts[0]["text"] == "shop: v0 is live"
    assert box.posts[0]["attachments"][0]["fields"]


@pytest.mark.parametrize("status", [400, 302, 500])
def test_one_that_refuses_is_named_by_its_host_alone(box, status):
    box.status = status
    assert post(box.url, samples("shop", "production")[0]) == f"127.0.0.1 answered {status}"


def test_one_that_hangs_is_left_behind(box, monkeypatch):
    monkeypatch.setattr(notify, "SECONDS", 0.1)
    box.hangs = 1
    assert post(box.url, samples("shop", "production")[0]).startswith("127.0.0.1 gave no answer within")


@pytest.mark.parametrize("address", ["", "ftp://hooks.example/secret", "secret", "http://"])
def test_what_is_no_address_is_told_without_being_shown(address):
    assert "secret" not in post(address, samples("shop", "production")[0]) or not address


def test_an_address_comes_from_the_configuration_or_from_who_deploys(box, monkeypatch):
    notes = []
    topology = shop_topology(notify=Notify(webhook=("OURS", "THEIRS", "NOBODYS")))
    monkeypatch.setenv("THEIRS", box.url)
    courier = Courier(topology, shop_config(env={"OURS": box.url}), notes.append)
    courier.send(samples("shop", "production")[0])
    courier.wait()
    assert len(box.posts) == 2
    assert notes == ["notify NOBODYS: not delivered: it is set neither in the site's configuration (nuages config set) nor here"]
