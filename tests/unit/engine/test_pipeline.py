"""Whom a deploy tells of what: its beginning, its end, its failure, and the way back after one."""

from dataclasses import replace

import pytest
from post_box import post_box

from nuages.engine.facts import facts_of, occasion_of
from nuages.engine.inspecting import Work
from nuages.engine.model import Plan
from nuages.engine.pipeline import pipeline
from nuages.engine.request import Request
from nuages.errors import CheckError, LockHeldError, UnconfirmedError
from nuages.hosts.command import Result
from nuages.testing import LAYOUT, FakeTransport, shop_config, shop_live, shop_release, shop_topology
from nuages.topology.model import Hooks, Notify


NONE = Hooks()
NEW = Plan(facts={"release": 8, "live": 7})
GIT = "# branch.oid c0ffee\n# branch.head main\n1 .M N... books/views.py\n"


class Console:
    def __init__(self):
        self.notes, self.steps = [], []

    def note(self, line):
        self.notes.append(line)

    def step(self, event):
        self.steps.append(event)


@pytest.fixture
def box():
    with post_box() as box:
        yield box


def work_with(box, *, on=("start", "deploy", "rollback", "failure"), hooks=NONE, release=7, answers=None):
    topology = shop_topology(notify=Notify(webhook=("HOOK",), on=on), hooks=hooks)
    config = shop_config(env={"HOOK": box.url, "GREETING": "hello"})
    live = shop_live(shop_release(release), config=shop_config(env={"HOOK": box.url}).as_dict()) if release else shop_live()
    here = FakeTransport(answers={"git status*": Result(0, GIT, ""), **(answers or {})})
    return Work(topology, live, config, here, print, LAYOUT)


def request_for(work, **wish):
    return Request(**{"root": work.topology.root, "what": "deploy", "change": lambda _config: work.config, **wish})


def texts(box):
    return [text.removeprefix("shop: ") for text in box.texts()]


def along(work, *, plan=NEW, failing=None, **wish):
    console = Console()
    with pipeline(request_for(work, **wish), console) as line:
        line.begins(work)
        if failing:
            raise failing
        line.starts()
        line.ends(plan)
    return console


def test_a_deploy_tells_when_it_begins_and_what_came_of_it(box):
    along(work_with(box))
    begun, done = sorted(texts(box))
    assert begun.startswith("deploy of v8 begins, by ")
    assert done == "v8 is live at http://localhost:8000/"
    fields = {f["title"]: f["value"] for post in box.posts for f in post["attachments"][0]["fields"]}
    assert (fields["commit"], fields["configuration"]) == ("c0ffee + changes (main)", "GREETING")


def test_a_failure_is_told_and_goes_on_its_way(box):
    with pytest.raises(CheckError):
        along(work_with(box), failing=CheckError("2 findings would break the site"))
    assert texts(box) == ["deploy of v8 failed"]
    assert "2 findings" in box.posts[0]["attachments"][0]["text"]


@pytest.mark.parametrize(
    "quietly",
    [
        {"plan": Plan(facts={"release": 7, "live": 7})},
        {"plan": replace(NEW, first=True)},
        {"only_plan": True},
        {"source": "live", "what": "restart"},
        {"source": "live", "what": "config set"},
    ],
)
def test_where_nothing_new_is_live_nobody_hears_that_it_is(box, quietly):
    along(work_with(box), **quietly)
    assert not any("is live" in text for text in texts(box))


def test_somebody_elses_lock_is_no_failure(box):
    with pytest.raises(LockHeldError):
        along(work_with(box, hooks=Hooks(on_failure=("./page",))), failing=LockHeldError("ada deploys"))
    assert box.posts == []


def test_only_what_was_asked_for_is_told(box):
    along(work_with(box, on=("config", "deploy")), source="live", what="config set")
    along(work_with(box, on=("config",)))
    along(work_with(box, on=("start", "deploy")), source="live", what="config set")
    assert len(box.posts) == 1


def test_what_a_secret_of_the_site_is_never_leaves_with_an_error(box):
    work = replace(work_with(box), config=shop_config(env={"HOOK": box.url, "API_TOKEN": "tok-4711-abcdef"}))
    with pytest.raises(CheckError):
        along(work, failing=CheckError("refused tok-4711-abcdef"))
    assert "tok-4711" not in str(box.posts)


def test_hooks_before_the_build_are_called_once_however_often_first_contact_is_made(box):
    work = work_with(box, hooks=Hooks(before_build=("./build",)))
    with pipeline(request_for(work), Console()) as line:
        line.begins(work)
        line.begins(work)
    assert [str(command) for command in work.here.commands].count("./build") == 1


def test_a_hook_on_failure_that_fails_itself_hides_nothing(box):
    work = work_with(box, hooks=Hooks(on_failure=("./page",)), answers={"./page": Result(5, "", "no pager")})
    with pytest.raises(CheckError, match="broken"):
        along(work, failing=CheckError("broken"))
    (called,) = [command for command in work.here.commands if str(command) == "./page"]
    assert called.environment()["NUAGES_ERROR"] == "broken"


# --- the way back ---------------------------------------------------------------------------------------------


def back(work, seen, worse=None):
    """As deploy() does."""
    error = UnconfirmedError("GET / answered 500, expected 200", where="the live site")
    with pipeline(request_for(work), Console()) as line:
        line.begins(work)
        with line.way_back(error) as quiet:
            seen.append(quiet)
            if worse:
                raise worse
        raise error


def go_back(work, worse=None):
    seen = []
    with pytest.raises(UnconfirmedError) as caught:
        back(work, seen, worse)
    return caught.value, seen


def test_the_way_back_is_a_rollback_that_nobody_is_asked_about_and_that_tells_for_itself(box):
    error, (line,) = go_back(work_with(box))
    wish = line.request
    assert (wish.source, wish.number, wish.agreed, wish.check) == ("release", 7, True, True)
    assert wish.change(shop_config(version=2, env={"GREETING": "x"})).env == {"HOOK": box.url}
    assert line.quiet
    assert "v7 is live again, as v9" in error.hint
    assert texts(box) == ["deploy of v8 failed"]


def test_where_the_way_back_is_barred_the_error_says_what_serves(box):
    error, _ = go_back(work_with(box), worse=CheckError("the old code does not fit"))
    assert error.hint == "v8 still serves, for v7 could not be brought back: the old code does not fit"


def test_a_first_release_has_nothing_to_go_back_to(box):
    error, seen = go_back(work_with(box, release=0))
    assert "nothing was live before it" in error.hint
    assert not seen


# --- facts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "occasion"),
    [
        ({"what": "up"}, "deploy"),
        ({"what": "promote", "source": "build"}, "deploy"),
        ({"what": "rollback", "source": "release", "number": 3}, "rollback"),
        ({"what": "config set", "source": "live"}, "config"),
        ({"what": "config set", "source": "project"}, "config"),
        ({"what": "scale", "source": "live"}, "scale"),
        ({"what": "start", "source": "live"}, ""),
    ],
)
def test_what_a_verb_is_to_those_who_hear_of_it(box, wish, occasion):
    assert occasion_of(request_for(work_with(box), **wish)) == occasion


def test_outside_git_there_are_no_commits(box):
    work = work_with(box, answers={"git status*": Result(128, "", "not a git repository")})
    facts = facts_of(request_for(work), work)
    assert (facts.commit, facts.branch, facts.dirty) == ("", "", False)
