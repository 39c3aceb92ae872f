"""The pretend host is a peer of the real one: same steps, same disk, same events, same errors."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from nuages.errors import CommandError, CommandTimeoutError
from nuages.hosts.command import Command, Result, run
from nuages.hosts.local import LocalTransport
from nuages.hosts.transport import Transport
from nuages.testing import FakeTransport


def steps_in(base: str, *, broken: bool = False):
    run_op = {"op": "run", "argv": ["/bin/false"] if broken else ["/bin/true"], "env": {}, "timeout": 10}
    return [
        {
            "text": "+ one",
            "ops": [
                {"op": "mkdir", "path": f"{base}/run", "mode": 0o700},
                {"op": "file", "path": f"{base}/numbered/v1/env.json", "content": "{}", "mode": 0o600},
                {"op": "file", "path": f"{base}/numbered/v1/release.json", "content": '{"number": 1}'},
                {"op": "symlink", "path": f"{base}/live", "target": "numbered/v1"},
            ],
            "undo": [{"op": "remove", "paths": [f"{base}/live"]}],
        },
        {
            "text": "+ two",
            "ops": [
                {"op": "file", "path": f"{base}/static/new.css", "content": "new"},
                {"op": "file", "path": f"{base}/union/old.css", "content": "old"},
                {"op": "union", "path": f"{base}/static", "to": f"{base}/union"},
                {"op": "copy", "path": f"{base}/static", "to": f"{base}/copy"},
                {"op": "remove", "paths": [f"{base}/static", f"{base}/never"]},
                run_op,
            ],
            "undo": [{"op": "remove", "paths": [f"{base}/copy"]}],
        },
    ]


def real_disk(base: Path) -> Iterator[tuple[str, object]]:
    for folder, folders, names in os.walk(base):
        for name in [*names, *(f for f in folders if (Path(folder) / f).is_symlink())]:
            path = Path(folder) / name
            if name in ("journal.jsonl", "writing"):
                continue
            said = f"-> {path.readlink()}" if path.is_symlink() else (path.read_text(), stat.S_IMODE(path.stat().st_mode))
            yield str(path.relative_to(base)), said


def fake_disk(host: FakeTransport, base: str) -> Iterator[tuple[str, object]]:
    for name, entry in host.disk.under(base).items():
        if name != "journal.jsonl":
            yield name, f"-> {entry.target}" if entry.target else (entry.text, entry.mode)


def told(host: Transport, base: str, *, broken: bool):
    events = []
    try:
        host.write(steps_in(base, broken=broken), f"{base}/journal.jsonl", events.append)
    except CommandError as error:
        return events, error.what
    return events, ""


@pytest.mark.parametrize("broken", [False, True])
def test_the_same_steps_leave_the_same_disk_events_and_journal(tmp_path, broken):
    fake = FakeTransport(answers={"/bin/false": Result(1, "", "")})
    real_events, real_error = told(LocalTransport(), str(tmp_path), broken=broken)
    fake_events, fake_error = told(fake, "/srv/shop", broken=broken)
    assert dict(fake_disk(fake, "/srv/shop")) == dict(real_disk(tmp_path))
    assert [(e["event"], e["text"]) for e in fake_events] == [(e["event"], e["text"]) for e in real_events]
    assert fake_error == real_error
    real_journal = (tmp_path / "journal.jsonl").read_text().splitlines()
    fake_journal = fake.disk.read("/srv/shop/journal.jsonl").splitlines()
    keys = ("step", "state", "deploy", "error")
    assert [[json.loads(line).get(k) for k in keys] for line in fake_journal] == [
        [json.loads(line).get(k) for k in keys] for line in real_journal
    ]


QUESTIONS = {
    "site": {"kind": "site", "dir": "BASE"},
    "none": {"kind": "json", "path": "BASE/none"},
    "release": {"kind": "json", "path": "BASE/live/release.json"},
    "files": {"kind": "files", "paths": ["BASE/numbered/v1/env.json", "BASE/live", "BASE/none"]},
    "host": {"kind": "host"},
    "port": {"kind": "free_port", "after": 18600},
    "supervisor": {"kind": "supervisor", "program": "BASE/keeper/current/ctl.py", "dir": "BASE"},
    "lock": {"kind": "lock", "path": "BASE/lock.json", "token": "t", "owner": {}, "seconds": 60},
    "held": {"kind": "lock", "path": "BASE/lock.json", "token": "u", "owner": {}, "seconds": 60},
    "unlock": {"kind": "unlock", "path": "BASE/lock.json", "token": "t"},
}


def answers_of(host: Transport, base: str):
    told(host, base, broken=False)
    return host.read(json.loads(json.dumps(QUESTIONS).replace("BASE", base)))


def test_the_same_questions_have_answers_of_the_same_shape(tmp_path):
    real = answers_of(LocalTransport(), str(tmp_path))
    fake = answers_of(FakeTransport(), "/srv/shop")
    assert set(fake["site"]) == set(real["site"])
    assert {k: v for k, v in fake["site"].items() if k != "now"} == {k: v for k, v in real["site"].items() if k != "now"}
    assert fake["files"]["/srv/shop/numbered/v1/env.json"] == real["files"][f"{tmp_path}/numbered/v1/env.json"]
    assert set(fake["host"]) == set(real["host"])
    assert [fake[k] for k in ("none", "release", "supervisor", "lock", "unlock")] == [
        real[k] for k in ("none", "release", "supervisor", "lock", "unlock")
    ]
    assert fake["held"]["holder"]["token"] == real["held"]["holder"]["token"] == "t"


def test_a_step_may_be_told_to_fail():
    host = FakeTransport(fail_at=2)
    with pytest.raises(CommandError, match="told to fail"):
        host.write(steps_in("/srv/shop"), "/srv/shop/journal.jsonl", lambda _event: None)
    assert host.steps == ["+ one", "+ two"]
    assert not host.disk.exists("/srv/shop/live")


def test_commands_are_recorded_and_answered():
    host = FakeTransport(answers={"git *": Result(0, "abc\n", ""), "psql *": CommandTimeoutError("too long")})
    lines = []
    assert host.run(run("git", "rev-parse", "HEAD"), lines.append).stdout == "abc\n"
    assert host.run(run("anything else")).ok
    with pytest.raises(CommandTimeoutError):
        host.run(Command(("psql", "-c", "select 1")))
    assert [c.argv[0] for c in host.commands] == ["git", "anything else", "psql"]
    assert lines == ["abc"]


def test_check_raises_as_on_a_real_host():
    with pytest.raises(CommandError, match="ended with 2"):
        FakeTransport(answers={"false": Result(2, "", "no")}).check(run("false"))


def test_both_are_transports():
    hosts: list[Transport] = [FakeTransport(), LocalTransport()]
    assert all(host.name for host in hosts)
