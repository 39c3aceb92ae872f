"""The place where backups go: its name, its key, and what its errors mean to a person."""

import json

import pytest
from shipped_dataside import nightly, refusal, store


def shop(tmp_path, to=""):
    return store.Store({"site": "shop", "dir": str(tmp_path), "to": to})


@pytest.mark.parametrize(
    ("to", "place", "here"),
    [
        ("", "{dir}/backups/repository", True),
        ("/mnt/disk", "/mnt/disk/shop", True),
        ("sftp:ada@nas:/backups/", "sftp:ada@nas:/backups/shop", False),
        ("s3:https://s3.example/bucket", "s3:https://s3.example/bucket/shop", False),
    ],
)
def test_each_site_has_a_repository_of_its_own(tmp_path, to, place, here):
    place = place.format(dir=tmp_path)
    assert shop(tmp_path, to).place == place
    assert store.is_here(place) is here


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("sftp:ada@nas:/backups", ("ada", "nas", "")),
        ("sftp:nas:/backups", ("", "nas", "")),
        ("sftp://ada@nas:2222//backups", ("ada", "nas", "2222")),
        ("sftp://ada@[fd00::1]:22//backups", ("ada", "fd00::1", "22")),
    ],
)
def test_who_and_where_an_address_of_sftp_means(place, address):
    assert store.sftp_address(place) == address


def test_a_key_is_made_once(tmp_path):
    first = shop(tmp_path).key()
    assert shop(tmp_path).key() == first
    assert (tmp_path / "backups/key.json").stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_given_counts_in_place_of_ours(tmp_path):
    given = {"password": "theirs", "repository": "sftp:ada@nas:/b/shop", "environment": {}}
    found = store.Store({"site": "shop", "dir": str(tmp_path), "to": ""}, given)
    assert (found.place, found.known["password"]) == ("sftp:ada@nas:/b/shop", "theirs")


def test_a_key_that_was_given_stays_only_where_there_was_none(tmp_path):
    given = {"password": "theirs", "repository": "/b/shop", "environment": {}}
    config = {"site": "shop", "dir": str(tmp_path), "to": ""}
    store.Store(config, dict(given)).key()
    assert shop(tmp_path).known["password"] == "theirs"
    store.Store(config, {**given, "password": "another"}).key()
    assert shop(tmp_path).known["password"] == "theirs"


def test_a_wrong_key_leaves_nothing_behind(tmp_path, monkeypatch):
    """A second try with the right one would meet it, and so would every backup from then on."""
    wrong = {"password": "wrong", "repository": "sftp:nas:/b/shop", "environment": {}, "ssh_key": "WRONG", "known_hosts": "X"}
    right = {**wrong, "password": "right", "ssh_key": "RIGHT"}
    (tmp_path / "given.json").write_text(json.dumps(wrong))
    wish = {"config": {"site": "shop", "dir": str(tmp_path), "to": ""}, "key_file": str(tmp_path / "given.json")}

    def refused(found):
        found._ssh()
        raise refusal.RefusedError("the key is not this repository's")

    monkeypatch.setattr(store.Store, "snapshots", refused)
    with pytest.raises(refusal.RefusedError):
        nightly.bring(nightly.Backups(wish))
    assert not (tmp_path / "backups/key.json").exists()
    store.Store(wish["config"], right)._ssh()
    assert (tmp_path / "backups/ssh/id_ed25519").read_text() == "RIGHT"


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Fatal: wrong password or no key found", "the key is not this repository's"),
        ("ssh: connect to host nas port 22: Connection refused\nFatal: unable to start the sftp session", "can't be reached"),
        ("ada@nas: Permission denied (publickey).\nsubprocess ssh: exit status 255", "does not let us in"),
        (
            "Fatal: unable to open config file: Stat: The specified key does not exist.\nIs there a repository at the following location?",
            "there are no backups at",
        ),
        ("write /mnt/x: no space left on device", "there is no space left where backups go"),
        ("Fatal: something new", "restic failed"),
    ],
)
def test_what_restic_says_is_told_in_plain_words(tmp_path, said, what):
    found = shop(tmp_path, "sftp:ada@nas:/backups")
    found.known = {"password": "x", "ssh_public": "ssh-ed25519 AAAA nuages"}
    assert what in found._explained(said).what


def test_a_place_that_refuses_us_is_told_which_line_it_lacks(tmp_path):
    found = shop(tmp_path, "sftp:ada@nas:/backups")
    found.known = {"ssh_public": "ssh-ed25519 AAAA nuages"}
    assert "ssh-ed25519 AAAA nuages" in found._explained("Permission denied (publickey)").hint


def test_a_failed_run_is_told_with_the_last_that_went_well(tmp_path):
    backups = nightly.Backups({"config": {"site": "shop", "dir": str(tmp_path), "to": "", "keep": {"daily": 1}}})
    store.write(backups.path("status.json"), {"ok": True, "at": "yesterday", "last": "yesterday", "to": backups.store.place})
    with pytest.raises(refusal.RefusedError):
        nightly.run(backups)
    told = json.loads((tmp_path / "backups/status.json").read_text())
    assert (told["ok"], told["last"]) == (False, "yesterday")
    assert "began" not in told
    assert told["what"]
    assert not (tmp_path / "backups/stage").exists()


def test_two_runs_don_t_meet(tmp_path):
    backups = nightly.Backups({"config": {"site": "shop", "dir": str(tmp_path), "to": "", "keep": {}}})
    with backups.alone(), pytest.raises(refusal.RefusedError, match="another backup"), backups.alone():
        pass
