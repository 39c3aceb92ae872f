"""What a push means, on a real repository; the deploy is written down in place of done."""

from __future__ import annotations

import subprocess

import pytest

from nuages.errors import UsageError
from nuages.gitremote.protocol import Options, Wish
from nuages.gitremote.pushing import NOT_ON_TOP, UNKNOWN, Live, SiteRemote
from nuages.gitremote.repository import add_remote, repository_of
from nuages.hosts.local import LocalTransport


MAIN = "refs/heads/main"


class World:
    """A repository with two commits, and what was deployed of it."""

    def __init__(self, folder):
        self.folder, self.deployed, self.fails = folder, [], ""
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.first = self.commit("one")
        self.second = self.commit("two")
        self.live = Live("")
        self.repository = repository_of(folder, LocalTransport())

    def git(self, *words):
        argv = ["git", "-c", "user.name=A", "-c", "user.email=a@b.example", *words]
        return subprocess.run(argv, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, content):
        (self.folder / "file").write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", content)
        return self.git("rev-parse", "HEAD")

    def deploy(self, tree, options):
        self.deployed.append({path.name: path.read_text() for path in tree.iterdir() if path.name != ".git"})
        return self.fails

    @property
    def remote(self):
        return SiteRemote(self.repository, lambda: self.live, self.deploy)

    def push(self, source="main", target=MAIN, options=None, **more):
        return list(self.remote.push([Wish(source, target, **more)], options or Options()))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "shop")


def test_the_commit_is_deployed_and_not_what_lies_in_the_folder(world):
    (world.folder / "file").write_text("nobody committed this")
    (world.folder / "untracked").write_text("")
    assert world.push() == [(MAIN, "")]
    assert world.deployed == [{"file": "two"}]


def test_nothing_of_the_checkout_stays(world):
    world.push()
    assert world.git("worktree", "list").count("\n") == 0
    assert world.git("status", "--porcelain") == ""


def test_a_deploy_that_fails_is_a_push_that_fails(world):
    world.fails = "deploy failed: it does not import"
    assert world.push() == [(MAIN, "deploy failed: it does not import")]


def test_an_older_commit_needs_force(world):
    world.live = Live(world.second)
    assert world.push(world.first) == [(MAIN, NOT_ON_TOP)]
    assert world.push(world.first, force=True) == [(MAIN, "")]
    assert world.deployed == [{"file": "one"}]


def test_what_a_colleague_deployed_is_not_overwritten_unseen(world):
    world.live = Live("c0ffee" * 6 + "abcd")
    assert world.push() == [(MAIN, UNKNOWN)]
    assert world.push(force=True) == [(MAIN, "")]


def test_only_main_or_master_is_deployed_and_nothing_can_be_deleted(world):
    [(_, why)] = world.push("main", "refs/heads/feature")
    assert why == "only main (or master) is deployed: git push REMOTE feature:main"
    assert "can't be deleted" in world.push("")[0][1]
    assert world.push("main", "refs/heads/master") == [("refs/heads/master", "")]


def test_one_push_deploys_one_commit(world):
    wishes = [Wish(world.second, MAIN), Wish(world.first, "refs/heads/master")]
    outcomes = dict(world.remote.push(wishes, Options()))
    assert outcomes == {MAIN: "", "refs/heads/master": "one push deploys one commit"}


def test_a_dry_run_deploys_nothing(world):
    assert world.push(options=Options(dry_run=True)) == [(MAIN, "")]
    assert world.deployed == []


def test_what_is_live_is_told_and_uncommitted_changes_are_no_commit(world):
    world.live = Live(world.first)
    assert world.remote.refs(for_push=True) == {MAIN: world.first}
    world.live = Live(world.first, dirty=True)
    assert world.remote.refs(for_push=True) == {}
    assert world.remote.refs(for_push=False) == {MAIN: world.first}


def test_the_remote_names_the_folder_of_a_project_below_the_top(world):
    below = world.folder / "backend"
    below.mkdir()
    assert add_remote(world.repository, below, "staging", "staging")
    assert not add_remote(world.repository, below, "staging", "staging")
    assert world.repository.remotes() == {"staging": "nuages::staging/backend"}
    with pytest.raises(UsageError, match="leads to nuages::staging/backend"):
        add_remote(world.repository, world.folder, "production", "staging")
