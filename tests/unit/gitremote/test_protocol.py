"""gitremote-helpers(7), as git speaks it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from nuages.errors import UsageError
from nuages.gitremote.protocol import Options, Wish, serve


COMMIT = "c0ffee" * 6 + "abcd"


@dataclass
class Told:
    """A remote that writes down what it was asked."""

    refs_there: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)

    def refs(self, *, for_push):
        self.asked.append("for-push" if for_push else "list")
        return self.refs_there

    def push(self, wishes, options):
        self.asked += [*wishes, options]
        return [(wish.target, self.answers.get(wish.target, "")) for wish in wishes]

    def fetch(self, commits):
        raise UsageError(f"no {commits}")


def said(remote, *lines):
    heard = []
    serve([f"{line}\n" for line in lines], heard.append, remote)
    return heard


def test_it_pushes_fetches_and_takes_options():
    assert said(Told(), "capabilities") == ["push", "fetch", "option", ""]


def test_what_is_live_is_told_under_its_names_and_as_head():
    refs = {"refs/heads/main": COMMIT}
    assert said(Told(refs), "list", "") == [f"{COMMIT} refs/heads/main", "@refs/heads/main HEAD", ""]
    assert said(Told(), "list for-push", "") == [""]


def test_a_batch_of_pushes_is_answered_ref_by_ref():
    remote = Told(answers={"refs/heads/x": "only main\nis deployed"})
    answer = said(
        remote, "push refs/heads/main:refs/heads/main", "push +refs/heads/x:refs/heads/x", "push :refs/heads/gone", "", ""
    )
    assert answer == ["ok refs/heads/main", "error refs/heads/x only main is deployed", "ok refs/heads/gone", ""]
    assert remote.asked[:3] == [
        Wish("refs/heads/main", "refs/heads/main"), Wish("refs/heads/x", "refs/heads/x", force=True), Wish("", "refs/heads/gone")
    ]  # fmt: skip


def test_options_of_the_push_are_known_by_name():
    remote = Told()
    heard = said(
        remote, "option verbosity 0", "option dry-run true", "option push-option message=why it is", "option push-option skip=tests",
        "option cas x", "push a:b", "", "",
    )  # fmt: skip
    assert heard[:4] == ["ok"] * 4
    assert heard[4] == "unsupported"
    assert remote.asked[-1] == Options(verbosity=0, dry_run=True, push={"message": "why it is", "skip": "tests"})


def test_an_option_that_is_misspelled_stops_the_push():
    with pytest.raises(UsageError, match="-o wiat-lock: there is no such option"):
        said(Told(), "option push-option wiat-lock=1")


def test_objects_that_git_lacks_are_nowhere_here():
    with pytest.raises(UsageError, match=COMMIT):
        said(Told(), f"fetch {COMMIT} refs/heads/main", "")
