"""A restore, as steps for a host: nothing of the site is touched before the last one, and each takes itself back."""

import json

import pytest

from nuages.data.backups import keep_key, key_path, read_key, vault
from nuages.data.dump import UNLOCKED, dump, send
from nuages.data.hand import Hand, Place, laid, place_of
from nuages.data.restore import check_step, load_step, restore, swap_steps
from nuages.errors import CommandError, DataError, UsageError
from nuages.hosts.command import Result
from nuages.testing import LAYOUT, FakeTransport, shop_topology
from nuages.topology.backups import Backups
from nuages.topology.model import Host


SHOP = shop_topology(hosts=(Host("web-1", "192.0.2.11"),))
PAGE = "/srv/shop/shared/maintenance"
MANIFEST = {"at": "2026-11-25T03:30:00Z", "tables": {"books_book": 3}, "bytes": 5000, "engine": "sqlite"}
KEY = {"format": 1, "site": "shop", "password": "hunter2", "repository": "/srv/shop/backups/repository"}


class Told(FakeTransport):
    """Its programs answer into their file, as ours do."""

    def run(self, command, progress=None):
        result = super().run(command, progress)
        wish = wish_of(command)
        answers = {"check": {"manifest": MANIFEST, "state": {}}, "swap": {"kept": "shop-before-1"}}
        if "answer" in wish and result.ok:
            self._write_file(wish["answer"], json.dumps(answers.get(wish["verb"], {})))
        return result


def wish_of(command):
    return json.loads(command.argv[-1]) if command.argv[-1].startswith("{") else {}


def verbs(host):
    return [wish["verb"] for command in host.commands if (wish := wish_of(command))]


@pytest.fixture
def host():
    return Told()


@pytest.fixture
def hand(host):
    with laid(Place(host, LAYOUT, "shop", "shop")) as hand:
        yield hand


def test_the_programs_are_there_only_meanwhile(host):
    with laid(place_of(SHOP, host), {"key-given.json": "{}"}) as hand:
        assert host.disk.names(hand.folder).count("databases.py") == 1
        assert host.disk.entries[f"{hand.folder}/key-given.json"].mode == 0o600
    assert host.disk.names(hand.folder) == []


def test_it_is_loaded_checked_and_only_then_swapped(host, hand):
    restored = restore(hand, "/srv/shop/backups/dumps/a.tar", "ab12", lambda _event: None)
    assert verbs(host) == ["load", "check", "swap"]
    assert (restored.kept, restored.rows) == ("shop-before-1", 3)
    assert not host.disk.exists(PAGE)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_where_a_step_fails_the_database_beside_goes_and_no_page_stays(step):
    host = Told(fail_at=step)
    with laid(Place(host, LAYOUT, "shop", "shop")) as hand, pytest.raises(CommandError):
        restore(hand, "/srv/shop/backups/dumps/a.tar", "ab12", lambda _event: None)
    assert verbs(host)[-1] == "drop"
    assert "swap" not in verbs(host)
    assert not host.disk.exists(PAGE)


def test_a_page_that_was_up_before_is_left_alone(host, hand):
    host._write_file(PAGE, "by hand\n")
    restore(hand, "/srv/shop/backups/dumps/a.tar", "ab12", lambda _event: None, page=False)
    assert host.disk.read(PAGE) == "by hand\n"


def test_the_page_is_up_while_the_databases_change_places(hand):
    (step,) = swap_steps(hand, "before-1")
    assert [op["op"] for op in step["ops"]] == ["file", "run", "remove"]
    assert step["undo"][0]["paths"] == [PAGE]


def test_what_a_step_asks_for_is_in_its_wish_and_holds_no_secret(hand):
    wishes = [
        json.loads(op["argv"][-1])
        for step in (load_step(hand, "/x.tar"), check_step(hand, "/x.tar", migrate=True))
        for op in step["ops"]
    ]
    assert [(w["verb"], w["word"]) for w in wishes] == [("load", "restore"), ("check", "restore")]
    assert wishes[1]["migrate"]
    assert {"dir", "account", "site", "alias"} <= set(wishes[0])


def test_a_dump_holds_up_nobody_and_is_noted(host):
    host.answers["*databases.py*"] = Result(0, "12 tables\n" + json.dumps({"manifest": MANIFEST}) + "\n", "")
    with laid(Place(host, LAYOUT, "shop", "shop")) as hand:
        assert dump(hand, "/srv/shop/backups/dumps/a.tar", UNLOCKED, lambda _event: None) == MANIFEST
    (noted,) = host.steps
    assert noted.startswith("+ web-1  dump a.tar: 3 rows, by ")


def test_what_a_program_refuses_is_told_with_its_hint(host):
    said = json.dumps({"error": "the disk is full", "detail": "/srv", "hint": "free some space"})
    host.answers["*"] = Result(1, "42 tables\n" + said + "\n", "")
    with laid(Place(host, LAYOUT, "shop")) as hand, pytest.raises(DataError) as told:
        hand.ask("dump", to="/x.tar")
    assert (told.value.what, told.value.hint) == ("the disk is full", "free some space")


def test_one_that_ends_without_a_word_is_told_too(host):
    host.answers["*"] = Result(137, "", "Killed")
    with laid(Place(host, LAYOUT, "shop")) as hand, pytest.raises(DataError, match="facts ended with 137"):
        hand.ask("facts")


def test_a_dump_of_this_machine_is_sent_under_its_content(host, hand, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"tar")
    path = send(hand, tmp_path / "a.tar", lambda _line: None)
    assert path.startswith("/srv/shop/backups/incoming/")
    assert host.disk.entries[path].content == b"tar"


# --- keys ----------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def with_key(host, **more):
    host.answers["*nightly.py*"] = Result(0, json.dumps({"key": {**KEY, **more}}) + "\n", "")
    return vault(SHOP, host)


def test_a_key_is_kept_off_the_server_for_its_owner_alone(host, home):
    with with_key(host) as backups:
        path, new = keep_key(backups)
        assert (path, new) == (home / "nuages-keys/shop.json", True)
        assert keep_key(backups) == (path, False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path)["password"] == "hunter2"


def test_the_key_of_a_site_that_was_made_anew_does_not_replace_the_older_one(host, home):
    with with_key(host) as backups:
        keep_key(backups)
    with with_key(host, password="another") as backups:
        keep_key(backups)
    assert read_key(key_path("shop"))["password"] == "another"
    assert read_key(home / "nuages-keys/shop.json.before")["password"] == "hunter2"


def test_a_key_that_is_not_here_or_none_is_told(home):
    with pytest.raises(UsageError, match="not here"):
        read_key(key_path("shop"))
    (home / "photo.json").write_text("[]")
    with pytest.raises(UsageError, match="no key of backups"):
        read_key(home / "photo.json")


def test_a_given_key_travels_in_a_file_of_root_s_and_in_no_argument(host):
    with vault(SHOP, host, KEY) as backups:
        host.answers["*"] = Result(0, "{}\n", "")
        backups.ask("bring", snapshot="latest")
    assert "hunter2" not in str(host.commands[-1])
    assert json.loads(host.commands[-1].argv[-1])["key_file"].endswith("/key-given.json")


def test_switched_off_is_said_before_anything_is_asked(host):
    with pytest.raises(UsageError, match="switched off"), vault(shop_topology(backups=Backups(engine="none")), host):
        pass
    assert host.commands == []


def test_a_hand_for_another_database_has_the_same_programs(hand):
    assert isinstance(hand, Hand)
    assert json.loads(hand.argv("facts")[-1])["alias"] == "default"
