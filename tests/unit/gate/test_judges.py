"""What a deploy key may ask and write, judged without a server: hostile requests first."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from gate_module import beneath, contents, environment, lists, reading, running, writing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuages.components.database.postgresql_site import may_copy
from nuages.migrations import snapshot
from nuages.release import shipping


Refused = beneath.Refused
MISUNDERSTOOD = (Refused, ValueError, TypeError, KeyError, AttributeError, OverflowError)  # what gate.attend() answers


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("srv") / "shop"
    for part in ("numbered/v1", "releases/abc/static", "config", "shared/static", "shared/media", "snapshots", "run/generations"):
        (folder / part).mkdir(parents=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    (folder / "numbered/v1/release.json").write_text('{"number": 1, "build": "abc", "venv": "k"}')
    (folder / "live").symlink_to("numbered/v1")
    (folder / "shared/media/evil").symlink_to("/etc")
    return beneath.Site({"site": "shop", "account": "nobody", "dir": str(folder)}, "ci")


# --- what the rest of Nuages says, the gate must know -------------------------------------------------------------------


def test_what_root_runs_here_is_what_a_deploy_sends():
    assert environment.COMPILE == shipping.COMPILE
    assert snapshot.KEEP_IT.startswith(running.KEEPS)
    assert writing.SNAPSHOTS == snapshot.KEEP


def test_the_sites_role_may_make_a_copy_and_nothing_else(site):
    asked = [list(may_copy(site.account, allowed=allowed).argv) for allowed in (True, False)]
    assert reading.copying(site) == asked


# --- paths ---------------------------------------------------------------------------------------------------------------


PARTS = ("", ".", "..", "/", "shared", "media", "evil", "numbered", "v1", "live", "keeper", "current", "etc", "releases", "abc")
NAMES = ("policy.json", "release.json", "static", "config", "v2.json", "\0", "~", "$HOME", "journal.jsonl", "maintenance")
paths = st.lists(st.sampled_from(PARTS + NAMES), min_size=1, max_size=7).map("/".join)
hostile = st.one_of(paths, paths.map(lambda path: f"SITE/{path}"), st.text(max_size=40))


def placed(site, value):
    return json.loads(json.dumps(value).replace("SITE", site.dir))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(hostile, st.sampled_from(["remove", "symlink", "mkdir", "file", "union", "prune", "assemble", "sweep"]), st.data())
def test_whatever_is_let_through_stays_within_the_site_and_behind_no_link(site, path, op, data):
    other = data.draw(hostile)
    shape = {
        "remove": {"paths": [path, other]},
        "symlink": {"path": path, "target": other},
        "mkdir": {"path": path},
        "file": {"path": path, "content": "deploy\n"},
        "union": {"path": path, "to": other},
        "prune": {"path": path, "keep": [other]},
        "assemble": {"store": path, "to": other, "entries": {"piece": "0" * 64}},
        "sweep": {"store": path},
    }[op]
    try:
        done = writing.allowed(site, placed(site, {"op": op, **shape}))
    except MISUNDERSTOOD:
        return
    for written in (*done.get("paths", ()), *([done["path"]] if "path" in done else [])):
        assert os.path.normpath(written).startswith(site.dir + "/")
        assert os.path.realpath(os.path.dirname(written)).startswith(site.dir)
        assert not re.search(r"keeper|jsonl|media", written)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), hostile),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
    max_leaves=12,
)
kinds = st.sampled_from(sorted(reading.QUESTIONS))
arguments = st.dictionaries(
    st.sampled_from(
        ["path", "paths", "dir", "store", "owner", "files", "links", "argv", "user", "env", "token", "site", "pieces"]
    ),
    json_values,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kinds, arguments)
def test_a_question_of_any_shape_is_judged_and_breaks_nothing(site, kind, told):
    try:
        reading.judge(site, placed(site, {"kind": kind, **told}))
    except MISUNDERSTOOD:
        return
    assert kind in reading.QUESTIONS


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["/bin/sh", "-c", "id", "-I", "-S", "/usr/bin/python3", "CTL", "SITE", "down", "stop", "start", "v1-ab", "../x"]
        ),
        max_size=8,
    )
)
def test_of_all_commands_root_runs_the_known_ones(site, words):
    argv = [site.ctl if word == "CTL" else site.dir if word == "SITE" else word for word in words]
    try:
        done = running.allowed(site, {"op": "run", "argv": argv})
    except MISUNDERSTOOD:
        return
    assert done["argv"][:5] == ["/usr/bin/python3", "-I", "-S", site.ctl, site.dir]
    assert done["argv"][5] in running.WORDS
    assert done["env"] == running.ROOM


def test_variables_of_a_client_never_reach_what_root_runs(site):
    argv = ["/usr/bin/python3", "-I", "-S", site.ctl, site.dir, "start", "v1-ab12"]
    done = running.allowed(site, {"op": "run", "argv": argv, "env": {"LD_PRELOAD": "/srv/shop/evil.so"}, "cwd": "/tmp"})
    assert done["env"] == running.ROOM
    assert "cwd" not in done


def test_a_switch_may_be_held_and_nothing_else(site):
    begin = ["/usr/bin/python3", "-I", "-S", site.ctl, site.dir, "switch", "v1-ab12"]
    assert running.allowed(site, {"op": "run", "argv": [*begin, "--hold"]})["argv"] == [*begin, "--hold"]
    for more in (["--now"], ["--hold", "--timeout"], ["--hold", "x"]):
        with pytest.raises(Refused):
            running.allowed(site, {"op": "run", "argv": [*begin, *more]})


def test_the_news_of_a_deploy_leave_as_the_sites_account_alone(site):
    asked = {"kind": "command", "argv": [f"{site.dir}/venvs/0a1b/bin/python", "-m", "nuages_runtime.mailing"], "input": "{}"}
    assert reading.judge(site, {**asked, "user": site.account})
    for user in ("", "root", "postgres"):
        with pytest.raises(Refused):
            reading.judge(site, {**asked, "user": user})


def test_what_is_live_and_the_newest_snapshots_are_not_removed(site):
    for number in range(1, 8):
        open(f"{site.dir}/snapshots/v{number}-ab-before-default.dump", "w").close()
    for path in ("numbered/v1", "releases/abc", "venvs/k", "snapshots/v7-ab-before-default.dump"):
        with pytest.raises(Refused):
            writing.allowed(site, {"op": "remove", "paths": [f"{site.dir}/{path}"]})
    writing.allowed(
        site, {"op": "remove", "paths": [f"{site.dir}/snapshots/v1-ab-before-default.dump", f"{site.dir}/numbered/v2"]}
    )


# --- files that outlive a deploy ------------------------------------------------------------------------------------------


GOOD_POLICY = {
    "site": "shop",
    "static_serve": "SITE/shared/static",
    "manage_dir": "SITE/releases/abc/source",
    "domains": ["shop.example"],
}
GOOD_RELEASE = {"number": 2, "build": "abc", "config": 1, "policy": "0a", "venv": "k1", "environment": "SITE/venvs/k1"}
GOOD_MANIFEST = {
    "build": "abc",
    "environment": "SITE/venvs/k1",
    "processes": [{"name": "web", "kind": "web", "command": "x"}],
    "writable": ["media"],
}
HOSTILE = (
    ("numbered/v2/policy.json", {**GOOD_POLICY, "static_serve": "/etc"}),
    ("numbered/v2/policy.json", {**GOOD_POLICY, "manage_dir": "/root"}),
    ("numbered/v2/policy.json", {**GOOD_POLICY, "domains": ["x; include /etc/shadow"]}),
    ("numbered/v2/release.json", {**GOOD_RELEASE, "build": "../../other/releases/x"}),
    ("numbered/v2/release.json", {**GOOD_RELEASE, "config": "/../../../etc/x"}),
    ("numbered/v2/release.json", {**GOOD_RELEASE, "venv": "../../../home"}),
    ("numbered/v2/release.json", {**GOOD_RELEASE, "number": 3}),
    ("numbered/v2/release.json", {**GOOD_RELEASE, "why": "\x1b]0;told to a terminal\x07"}),
    ("releases/abc/manifest.json", {**GOOD_MANIFEST, "environment": "/srv/other/venvs/k1"}),
    ("releases/abc/manifest.json", {**GOOD_MANIFEST, "processes": [{"name": "x\n[Service]\nUser=root", "kind": "web"}]}),
    ("releases/abc/manifest.json", {**GOOD_MANIFEST, "writable": ["../../../etc"]}),
    ("config/v2.json", {"version": 2, "files": {"../../../etc/cron.d/evil": "x"}}),
    ("config/v2.json", {"version": 2, "files": {"/etc/cron.d/evil": "x"}}),
    ("config/v2.json", {"version": 2, "env": {"A\nB": "x"}}),
    ("config/v2.json", {"version": 3}),
    ("numbered/v2/env.json", {"A=B": "x"}),
    ("unfinished.json", {"number": 2, "alias": "../../x", "after": []}),
    ("shared/maintenance", {}),
)
MODES = {"config/v2.json": 0o600, "numbered/v2/env.json": 0o600}


@pytest.mark.parametrize(("part", "told"), HOSTILE)
def test_a_file_that_would_mislead_a_later_command_of_roots_is_refused(site, part, told):
    content = json.dumps(placed(site, told))
    with pytest.raises(Refused):
        writing.allowed(site, {"op": "file", "path": f"{site.dir}/{part}", "content": content, "mode": MODES.get(part, 0o644)})


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("numbered/v2/policy.json", GOOD_POLICY),
        ("numbered/v2/release.json", GOOD_RELEASE),
        ("releases/abc/manifest.json", GOOD_MANIFEST),
        ("config/v2.json", {"version": 2, "env": {"A": "x"}, "files": {"keys/a.json": "{}"}, "scale": {"web": 2}}),
        ("numbered/v2/env.json", {"A": "x"}),
        ("unfinished.json", {"number": 2, "alias": "default", "after": ["books.0002_x"]}),
    ],
)
def test_what_a_deploy_writes_is_let_through(site, part, told):
    op = {"op": "file", "path": f"{site.dir}/{part}", "content": json.dumps(placed(site, told)), "mode": MODES.get(part, 0o644)}
    assert writing.allowed(site, op)["path"] == op["path"]


def test_a_release_says_which_key_made_it_whatever_the_client_claims(site):
    content = json.dumps(placed(site, {**GOOD_RELEASE, "by": "ada"}))
    done = writing.allowed(
        site, {"op": "file", "path": f"{site.dir}/numbered/v2/release.json", "content": content, "mode": 0o644}
    )
    assert json.loads(done["content"])["by"] == "deploy key ci"


SPEC = {
    "account": "nobody",
    "generation": "v2-ab12",
    "build": "abc",
    "processes": [{"name": "web", "kind": "web", "log": "SITE/logs/web.log"}],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "root"},
        {"generation": "v3-ab12"},
        {"processes": [{"name": "web-web", "kind": "web", "log": "SITE/logs/web.log"}]},  # shop-web's unit, of another site
        {"processes": [{"name": "web", "kind": "web", "log": "/etc/shadow"}]},
        {"processes": [{"name": "web", "kind": "web", "log": "SITE/logs/web.log", "instances": 10**9}]},
        {"processes": [{"name": "../x", "kind": "web", "log": "SITE/logs/web.log"}]},
        {"cron": [{"name": "tidy", "kind": "cron", "log": "SITE/logs/cron-tidy.log"}]},
    ],
)
def test_a_generation_runs_units_of_its_site_as_its_account(site, tmp_path, changes):
    site.root = str(tmp_path)
    (tmp_path / "var/lib/nuages").mkdir(parents=True)
    files = {
        "/etc/systemd/system/shop-web@.service": {"for": "shop"},
        "/etc/systemd/system/shop-web-web@.service": {"for": "shop-web"},
    }
    (tmp_path / "var/lib/nuages/ledger.json").write_text(json.dumps({"schema": 1, "files": files}))
    contents.spec(site, json.dumps(placed(site, SPEC)), "v2-ab12")
    with pytest.raises(Refused):
        contents.spec(site, json.dumps(placed(site, {**SPEC, **changes})), "v2-ab12")


DIGEST = hashlib.sha256(b"").hexdigest()
WHEEL = {"name": "x", "file": "x-1-py3-none-any.whl", "sha256": DIGEST, "piece": f"SITE/store/{DIGEST[:2]}/{DIGEST}"}
NOTE = {
    "path": "SITE/venvs/k1",
    "version": "3.13.5",
    "python": "/usr/bin/python3",
    "group": "",
    "wheels": [WHEEL],
    "lock": "",
    "jobs": 2,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/srv/other/venvs/k1"},
        {"group": "root"},
        {"python": "/srv/shop/venvs/x/bin/python3"},
        {"wheels": [{**WHEEL, "file": "../../x.whl"}]},
        {"wheels": [{**WHEEL, "name": "../x"}]},
        {"wheels": [{**WHEEL, "sha256": "../../x"}]},
        {"wheels": [{**WHEEL, "piece": "/etc/passwd"}]},
        {"wheels": [{**WHEEL, "file": "x-1.tar.gz", "backend": "evil", "requires": []}]},
        {"hook": {"../../x.pth": "import evil"}},
        {"reads": "/srv/other"},
    ],
)
def test_an_environment_is_made_of_wheels_of_the_sites_own_store(site, changes):
    with pytest.raises(Refused):
        environment.note(site, json.dumps(placed(site, {**NOTE, **changes})), "k1")


@pytest.mark.parametrize("target", ["/etc", "../../../x", "../../keeper/current", "/srv/other/x"])
def test_a_builds_links_lead_within_it(site, target):
    with pytest.raises(Refused):
        lists._link(site, "abc", "source/x", target)
    lists._link(site, "abc", "source/x", "y/z")
    lists._link(site, "abc", "source/media", f"{site.dir}/shared/files/media")


def test_the_ledger_is_told_without_other_sites():
    site = beneath.Site({"site": "shop", "account": "shop", "dir": "/srv/shop"}, "ci")
    files = {"/a": {"for": "shop"}, "/b": {"for": "other"}, "/c": {"for": "*"}}
    told = reading.of_site(site, {"schema": 1, "files": files, "sites": {"shop": {}, "other": {}}})
    assert (sorted(told["files"]), sorted(told["sites"])) == (["/a", "/c"], ["other", "shop"])


@pytest.mark.parametrize(
    ("lock", "deploy", "goes"),
    [
        ({"token": "ab12", "owner": {"user": "deploy key ci"}}, "ab12", True),
        ({"token": "ab12", "owner": {"user": "deploy key ci"}}, "cd34", False),
        ({"token": "ab12", "owner": {"user": "ada"}}, "ab12", False),
        ({"token": "ab12", "owner": {"user": "ada"}}, "", False),
        (None, "ab12", True),  # on the second of two hosts
        (None, "", False),
    ],
)
def test_steps_of_a_plan_are_carried_out_under_the_keys_own_lock(site, lock, deploy, goes):
    page, held = Path(site.dir, "shared/maintenance"), Path(site.lock)
    page.write_text("deploy\n")
    held.write_text(json.dumps(lock)) if lock else held.unlink(missing_ok=True)
    step = {"text": "- x", "deploy": deploy, "ops": [{"op": "remove", "paths": [str(page)]}]}
    if goes:
        writing.carry_out(site, [step], site.journal)
    else:
        with pytest.raises(Refused, match="hold the lock"):
            writing.carry_out(site, [step], site.journal)
    assert page.exists() != goes
