"""Two laptops and a CI runner deploy at once, under traffic: whole deploys, one after the other, and nobody is surprised."""

import json
import os
import shutil
import subprocess

import pytest
from deploy_key import DeployKey
from deployed import LONG, eventually
from live_site import NUAGES


class Client:
    """Somebody with the project's folder on a machine of their own, who has never deployed it before."""

    def __init__(self, shop, folder, name, **environ):
        self.shop, self.name, self.root = shop, name, folder / name / "shop"
        shutil.copytree(shop.root, self.root)
        self.brings(f"of-{name}")
        own = {"XDG_CACHE_HOME": str(folder / name / "cache"), "XDG_DATA_HOME": str(folder / name / "data"), "LOGNAME": name}
        self.environ = shop.environment() | own | environ

    def brings(self, version):
        (self.root / "books/version.py").write_text(f"VERSION = {version!r}\n")

    def starts(self, *words):
        return subprocess.Popen(
            [str(NUAGES), *words], cwd=self.root, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def runs(self, *words):
        client = self.starts(*words)
        said = client.communicate(timeout=LONG)
        return client.returncode, *said


def events(said):
    """Each line that a machine reads is one object."""
    return [json.loads(line) for line in said.splitlines()]


@pytest.fixture(scope="module")
def team(shared_shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("team")
    held = DeployKey(shared_shop, folder, "runner")
    people = [Client(shared_shop, folder, name) for name in ("ada", "ben")]
    yield (*people, Client(shared_shop, folder, "runner", **held.environment()))
    held.leave()
    shared_shop.release()


def test_two_laptops_and_a_runner_deploy_at_once(shop, team):
    before, journalled = shop.status()["release"], len(shop.journal())
    with shop.traffic() as seen:
        clients = [each.starts("deploy", "--json", "--wait-lock", "300", "-m", f"why of {each.name}") for each in team]
        ended = [(client.communicate(timeout=LONG), client.returncode) for client in clients]
    assert [status for _said, status in ended] == [0, 0, 0], ended
    assert seen.lost == 0, seen
    lives = {each.name: events(said[0])[-1]["release"] for each, (said, _status) in zip(team, ended, strict=True)}
    assert sorted(lives.values()) == [before + 1, before + 2, before + 3], lives
    deploys = [line["deploy"] for line in shop.journal()[journalled:] if line["deploy"]]
    whole = [token for token, following in zip(deploys, [*deploys[1:], ""], strict=True) if token != following]
    assert len(whole) == len(set(whole)) >= 3, whole  # nothing of one between two of another
    last = max(lives, key=lives.get)
    assert shop.version() == f"of-{last}"
    assert shop.host.must("cat /srv/shop/live/release.json").count(f'"number": {before + 3}') == 1
    held = [line for line in map(json.loads, shop.host.must("cat /srv/shop/audit.jsonl").splitlines()) if line["deploy"] in whole]
    taken = [line for line in held if line["event"] == "taken"]
    assert {line["who"] for line in taken} == {"ada", "ben", "deploy key runner"}
    assert {line["reason"] for line in taken} == {f"why of {each.name}" for each in team}
    shop.in_order()


def test_whoever_does_not_wait_is_told_who_deploys_and_nothing_is_changed(shop, team):
    ada, ben, runner = team
    ada.brings("a shop window")
    deploy = ada.starts("deploy", "--json", "-m", "the new shop window")
    eventually(lambda: "ada" in shop.host.run("cat /srv/shop/lock.json").stdout)
    status, out, err = ben.runs("config", "set", "COLOUR=blue")
    assert status == 75, (out, err)
    assert "ada on" in err
    assert "the new shop window" in err
    status, out, err = runner.runs("config", "set", "--json", "COLOUR=green")
    assert status == 75, (out, err)
    told = events(out)[-1]
    assert (told["event"], told["code"], "ada on" in told["error"]) == ("error", 75, True), told
    deploy.communicate(timeout=LONG)
    assert deploy.returncode == 0
    assert shop.version() == "a shop window"
    assert "COLOUR" not in shop.host.must("cat $(ls -t /srv/shop/config/*.json | head -1)")


def test_a_runner_that_is_killed_holds_up_nobody_for_longer_than_its_lease(shop, team):
    _ada, ben, runner = team
    runner.brings("cut off")
    deploy = runner.starts("deploy", "--json")
    eventually(lambda: "deploy key" in shop.host.run("cat /srv/shop/lock.json").stdout)
    os.kill(deploy.pid, 9)
    deploy.communicate()
    ben.brings("whole")
    status, out, err = ben.runs("deploy", "--json", "--wait-lock", "300")
    assert status == 0, (out, err)
    assert shop.version() == "whole"
    shop.in_order()
