"""The agent's operations: whole or not at all, journalled, taken back in reverse order."""

import base64
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time

import pytest
from agent_module import agent


@pytest.fixture
def carry_out(tmp_path, capsys):
    """Runs steps; returns the events and the journal's lines as (text, state)."""

    def run(*steps):
        journal = tmp_path / "journal.jsonl"
        agent.carry_out([{"text": t, "deploy": "d1", "ops": ops, "undo": undo} for t, ops, undo in steps], str(journal))
        events = [json.loads(line[1:]) for line in capsys.readouterr().out.split("\n") if line]
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        return events, [(line["step"], line["state"]) for line in lines]

    return run


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def has_ended(pid):
    """A killed process that nobody has waited for yet (state Z) has ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")


def file_op(path, content="x", **more):
    return {"op": "file", "path": str(path), "content": content, **more}


def remove_op(*paths):
    return {"op": "remove", "paths": [str(p) for p in paths]}


BROKEN = {"op": "run", "argv": ["/bin/sh", "-c", "echo no room >&2; exit 3"]}


def test_a_file_has_its_mode_whatever_the_umask_is(tmp_path):
    before = os.umask(0)
    try:
        agent.write_file(str(tmp_path / "deep" / "env.json"), "{}", 0o600)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "deep" / "env.json") == 0o600


def test_a_secret_file_is_never_readable_by_others_on_its_way(tmp_path, monkeypatch):
    seen = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(stat.S_IMODE(os.fstat(fd).st_mode)), real(fd)))
    agent.write_file(str(tmp_path / "env.json"), "{}", 0o600)
    assert seen == [0o600]


def test_a_file_takes_any_text_and_any_bytes(tmp_path):
    agent.write_file(str(tmp_path / "text"), "naïve\r\n\0")
    assert (tmp_path / "text").read_bytes() == b"na\xc3\xafve\r\n\0"
    agent.write_file(str(tmp_path / "bytes"), base64.b64encode(b"\xff\0").decode(), encoding="base64")
    assert (tmp_path / "bytes").read_bytes() == b"\xff\0"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    place = tmp_path / "site.json"
    place.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            agent.write_file(str(place), "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("site.json", "old")]


def test_a_full_disk_is_told_in_plain_words():
    what, _detail, hint = agent.describe(OSError(28, "No space left on device"))
    assert what == "the disk is full"
    assert "free some space" in hint


def test_a_link_is_swapped_in_one_rename(tmp_path, monkeypatch):
    agent.write_symlink(str(tmp_path / "live"), "numbered/v1")
    there = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (there.append(os.readlink(b)), real(a, b)))
    agent.write_symlink(str(tmp_path / "live"), "numbered/v2")
    assert there == ["numbered/v1"]
    assert os.readlink(tmp_path / "live") == "numbered/v2"
    assert len(list(tmp_path.iterdir())) == 1


def test_removing_takes_files_links_and_folders_and_does_not_mind_what_is_gone(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "broken").symlink_to("nowhere")
    agent.write_remove([str(tmp_path / n) for n in ("folder", "link", "broken", "never-there")])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_copied_folder_appears_whole(tmp_path):
    (tmp_path / "from" / "__pycache__").mkdir(parents=True)
    (tmp_path / "from" / "ctl.py").write_text("1")
    agent.write_copy(str(tmp_path / "from"), str(tmp_path / "keeper" / "v1"))
    assert [p.name for p in (tmp_path / "keeper" / "v1").iterdir()] == ["ctl.py"]
    assert [p.name for p in (tmp_path / "keeper").iterdir()] == ["v1"]


def test_the_union_keeps_older_files_adds_new_ones_and_replaces_changed_ones(tmp_path):
    new, union = tmp_path / "static", tmp_path / "union"
    (new / "css").mkdir(parents=True)
    (union / "css").mkdir(parents=True)
    (union / "css" / "site.1111.css").write_text("of the older release")
    (union / "robots.txt").write_text("old")
    (new / "css" / "site.2222.css").write_text("of the newer release")
    (new / "robots.txt").write_text("newer")
    agent.write_union(str(new), str(union))
    found = {str(p.relative_to(union)): p.read_text() for p in union.rglob("*") if p.is_file()}
    assert found == {
        "css/site.1111.css": "of the older release",
        "css/site.2222.css": "of the newer release",
        "robots.txt": "newer",
    }


def test_a_file_of_the_union_stays_when_the_release_that_brought_it_is_removed(tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.css").write_text("a")
    agent.write_union(str(tmp_path / "static"), str(tmp_path / "union"))
    agent.write_remove([str(tmp_path / "static")])
    assert (tmp_path / "union" / "a.css").read_text() == "a"


def test_the_union_twice_is_the_union_once(tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.css").write_text("a")
    agent.write_union(str(tmp_path / "static"), str(tmp_path / "union"))
    first = (tmp_path / "union" / "a.css").stat()
    agent.write_union(str(tmp_path / "static"), str(tmp_path / "union"))
    again = (tmp_path / "union" / "a.css").stat()
    assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_the_journal_has_a_line_before_and_after_each_step(carry_out, tmp_path):
    events, journal = carry_out(("+ one", [file_op(tmp_path / "a")], []), ("+ two", [file_op(tmp_path / "b")], []))
    assert journal == [("+ one", "begin"), ("+ one", "done"), ("+ two", "begin"), ("+ two", "done")]
    assert [(e["event"], e["step"]) for e in events] == [("begin", 1), ("done", 1), ("begin", 2), ("done", 2)]


def test_what_was_done_is_taken_back_in_reverse_order(carry_out, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    events, journal = carry_out(
        ("+ one", [file_op(a)], [file_op(tmp_path / "last", "one"), remove_op(a)]),
        ("+ two", [file_op(b)], [file_op(tmp_path / "last", "two"), remove_op(b)]),
        ("~ three", [BROKEN], []),
        ("+ never", [file_op(tmp_path / "never")], []),
    )
    assert [line for line in journal if line[1] in ("failed", "undone")] == [
        ("~ three", "failed"),
        ("+ two", "undone"),
        ("+ one", "undone"),
    ]
    assert (a.exists(), b.exists(), (tmp_path / "never").exists()) == (False, False, False)
    assert (tmp_path / "last").read_text() == "one"
    assert events[-1]["event"] == "failed"
    assert events[-1]["undone"] == ["+ two", "+ one"]


def test_the_step_that_failed_is_taken_back_too(carry_out, tmp_path):
    half = tmp_path / "half"
    carry_out(("+ both", [file_op(half), BROKEN], [remove_op(half)]))
    assert not half.exists()


def test_a_step_with_several_operations_is_taken_back_once(carry_out, tmp_path):
    undo = [remove_op(tmp_path / "a"), remove_op(tmp_path / "b")]
    events, journal = carry_out(("+ both", [file_op(tmp_path / "a")], undo), ("~ broken", [BROKEN], []))
    assert journal.count(("+ both", "undone")) == 1
    assert events[-1]["undone"] == ["+ both"]


def test_an_undo_that_fails_does_not_stop_the_others(carry_out, tmp_path):
    a = tmp_path / "a"
    _events, journal = carry_out(("+ one", [file_op(a)], [remove_op(a)]), ("+ two", [], [BROKEN]), ("~ three", [BROKEN], []))
    assert ("+ two", "undo failed") in journal
    assert not a.exists()


def test_a_failed_command_is_named_with_its_last_lines(carry_out):
    events, _journal = carry_out(("~ broken", [BROKEN], []))
    assert events[-1]["what"] == "sh ended with 3"
    assert events[-1]["detail"] == "no room"


def test_a_program_of_ours_that_explains_itself_is_quoted(carry_out):
    said = json.dumps({"error": "it never listened", "detail": "ImportError: shop", "hint": "pip install shop"})
    events, _journal = carry_out(("~ prove", [{"op": "run", "argv": ["/bin/echo", said], "timeout": 5}, BROKEN], []))
    assert events[-1]["what"] == "sh ended with 3"
    failing = {"op": "run", "argv": ["/bin/sh", "-c", 'echo "$1"; exit 1', "sh", said]}
    events, _journal = carry_out(("~ prove", [failing], []))
    assert [events[-1][k] for k in ("what", "detail", "hint")] == ["it never listened", "ImportError: shop", "pip install shop"]


def test_a_command_that_takes_too_long_is_ended_with_its_children(carry_out, tmp_path):
    line = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    events, _journal = carry_out(("~ slow", [{"op": "run", "argv": ["/bin/sh", "-c", line], "timeout": 0.3}], []))
    assert events[-1]["what"] == "took longer than 0.3 s"
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_the_output_of_a_command_is_progress(carry_out):
    events, _journal = carry_out(("~ talk", [{"op": "run", "argv": ["/bin/sh", "-c", "echo one; echo two"]}], []))
    assert [e["line"] for e in events if e["event"] == "output"] == ["one", "two"]


def test_secrets_come_to_a_command_by_a_file_and_not_by_the_journal(carry_out, tmp_path):
    (tmp_path / "env.json").write_text('{"PASSWORD": "hunter2"}')
    script = "import os; open('seen', 'w').write(os.environ['PASSWORD'])"
    op = {"op": "run", "argv": [sys.executable, "-c", script], "env_file": str(tmp_path / "env.json"), "cwd": str(tmp_path)}
    carry_out(("~ use", [op], []))
    assert (tmp_path / "seen").read_text() == "hunter2"
    assert "hunter2" not in (tmp_path / "journal.jsonl").read_text()


def test_a_deploy_that_is_stopped_ends_its_command_and_takes_back_what_it_did(tmp_path):
    """Ctrl-C in `nuages up` sends TERM to the agent."""
    line = f"echo $$ > {tmp_path}/pid; exec sleep 60"
    steps = [
        {"text": "+ one", "ops": [file_op(tmp_path / "one")], "undo": [remove_op(tmp_path / "one")]},
        {"text": "~ slow", "ops": [{"op": "run", "argv": ["/bin/sh", "-c", line]}]},
    ]
    running = subprocess.Popen([sys.executable, agent.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    running.stdin.write(json.dumps({"write": steps, "journal": str(tmp_path / "journal.jsonl")}))
    running.stdin.close()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.02)
    running.terminate()
    said = running.stdout.read()
    running.stdout.close()
    assert running.wait(10) == 0
    assert has_ended(int((tmp_path / "pid").read_text()))
    assert not (tmp_path / "one").exists()
    assert '"was stopped"' in said
