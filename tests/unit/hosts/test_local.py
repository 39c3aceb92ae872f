"""This machine as a host: nothing of the caller's reaches a command, nothing of a command stays behind."""

import hashlib
import os
import subprocess
import time

import pytest

from nuages.errors import CommandError, CommandTimeoutError, HostError
from nuages.hosts import reach
from nuages.hosts.command import Command, run
from nuages.hosts.local import LocalTransport, clean_environment, time_limit
from nuages.secret import Secret
from nuages.testing import shop_topology


@pytest.fixture
def here():
    return LocalTransport()


def shell(line, **how):
    return Command(("/bin/sh", "-c", line), **how)


def has_ended(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")


def test_a_command_answers_with_status_and_output(here):
    result = here.run(shell("echo out; echo err >&2; exit 3"))
    assert (result.status, result.stdout, result.stderr, result.ok) == (3, "out\n", "err\n", False)


def test_check_raises_with_the_last_lines(here):
    with pytest.raises(CommandError) as error:
        here.check(shell("echo no room >&2; exit 1"))
    assert error.value.detail == "no room"


def test_the_callers_secrets_do_not_reach_a_command(here, monkeypatch):
    for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "of-the-caller")
    assert "of-the-caller" not in here.run(run("/usr/bin/env")).stdout


def test_what_finds_programs_and_registries_does(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("UV_INDEX_URL", "https://pypi.example")
    environment = clean_environment({"MINE": "1"})
    assert {"PATH", "LANG", "https_proxy", "UV_INDEX_URL", "MINE"} <= set(environment)


def test_what_the_command_names_wins(here):
    assert here.run(shell("echo $LANG", env={"LANG": "nb_NO.UTF-8"})).stdout == "nb_NO.UTF-8\n"


def test_secrets_reach_the_command_they_are_for(here):
    result = here.run(shell("cat; echo $PASSWORD", env={"PASSWORD": Secret("hunter2")}, stdin=Secret("typed ")))
    assert result.stdout == "typed hunter2\n"


def test_a_secret_is_not_in_the_error_of_its_command(here):
    with pytest.raises(CommandError) as error:
        here.check(shell("exit 1", env={"PASSWORD": Secret("hunter2")}))
    assert "hunter2" not in str(error.value) + repr(error.value) + error.value.detail


def test_a_timeout_ends_the_command_and_what_it_started(here, tmp_path):
    with pytest.raises(CommandTimeoutError, match=r"longer than 0\.3 s"):
        here.run(shell(f"sleep 60 & echo $! > {tmp_path}/pid; wait", timeout=0.3))
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_lines_are_told_as_they_come(here):
    times = []
    here.run(shell("echo one; sleep 0.3; echo two"), lambda line: times.append((line, time.monotonic())))
    assert [line for line, _at in times] == ["one", "two"]
    assert times[1][1] - times[0][1] > 0.15


def test_bytes_that_are_no_text_do_no_harm(here):
    assert here.run(shell(r"printf 'a\377b'")).stdout == "a�b"


def test_much_input_to_a_command_that_reads_none_does_no_harm(here):
    assert here.run(Command(("/bin/true",), stdin="x" * 10**6)).ok


def test_the_time_limit_holds_for_a_command_that_does_not_take_its_input(here):
    with pytest.raises(CommandTimeoutError):
        here.run(shell("sleep 60", stdin="x" * 10**6, timeout=0.3))


def test_a_program_that_is_not_there_is_named(here):
    with pytest.raises(HostError, match="can't start no-such-program"):
        here.run(run("no-such-program"))


def test_a_folder_that_is_not_there_is_an_error_of_the_host(here):
    with pytest.raises(HostError):
        here.run(run("/bin/true", cwd="/no/such/folder"))


def test_a_failed_step_is_told_and_raised(here, tmp_path):
    events = []
    steps = [{"text": "~ broken", "ops": [{"op": "run", "argv": ["/bin/sh", "-c", "echo why >&2; exit 1"]}], "undo": []}]
    with pytest.raises(CommandError) as error:
        here.write(steps, str(tmp_path / "journal.jsonl"), events.append)
    assert error.value.detail == "why"
    assert [e["event"] for e in events] == ["begin", "output", "failed"]


def test_noise_of_a_login_shell_is_skipped(here, tmp_path, monkeypatch):
    from nuages.hosts import local

    noisy = tmp_path / "noisy.py"
    noisy.write_text('print("Welcome! {not json}")\n' + local.AGENT.read_text())
    monkeypatch.setattr(local, "AGENT", noisy)
    assert here.read({"host": {"kind": "host"}})["host"]["cores"] >= 1


def test_an_agent_that_dies_is_told(here, tmp_path, monkeypatch):
    from nuages.hosts import local

    (tmp_path / "broken.py").write_text("raise SystemExit('no python here')")
    monkeypatch.setattr(local, "AGENT", tmp_path / "broken.py")
    with pytest.raises(HostError, match="the agent ended early") as error:
        here.read({"host": {"kind": "host"}})
    assert error.value.detail == "no python here"


def test_several_questions_are_one_round_trip(here, tmp_path):
    answers = here.read({"a": {"kind": "json", "path": str(tmp_path / "none")}, "b": {"kind": "files", "paths": [os.devnull]}})
    assert answers["a"] is None
    assert os.devnull in answers["b"]


def test_a_topology_without_servers_is_reached_on_this_machine():
    with reach(shop_topology()) as hosts:
        assert [host.name for host in (hosts.here, hosts.lead, *hosts.all)] == ["localhost"] * 3


def test_the_agent_has_as_long_as_its_commands_may_take():
    day = 24 * 3600
    migrate = {"ops": [{"op": "run", "argv": ["migrate"], "timeout": day}], "undo": [{"op": "remove", "paths": []}]}
    assert time_limit({"write": [migrate, migrate]}) > 2 * day
    assert time_limit({"read": {"host": {"kind": "host"}}}) > 0


def test_a_scratch_folder_is_there_as_long_as_it_is_needed(here):
    with here.scratch({"a.json": "[1]"}, {"link": "a.json"}) as path:
        assert here.read({"it": {"kind": "json", "path": f"{path}/link"}})["it"] == [1]
        assert os.stat(path).st_mode & 0o077 == 0
    assert not os.path.exists(path)


def test_pieces_are_put_into_a_store_once_and_made_into_a_build(here, tmp_path):
    digest = hashlib.sha256(b"one").hexdigest()
    (tmp_path / "file").write_text("one")
    store = str(tmp_path / "pieces")
    assert here.ship({digest: tmp_path / "file"}, store, lambda _line: None) == 3
    assert here.ship({digest: tmp_path / "file"}, store, lambda _line: None) == 0
    op = {"op": "assemble", "store": store, "to": str(tmp_path / "build"), "entries": [["a", "f", digest, 0o644]]}
    here.write([{"text": "+ build", "ops": [op]}], str(tmp_path / "journal.jsonl"), lambda _event: None)
    assert (tmp_path / "build" / "a").read_text() == "one"


def test_a_command_with_the_terminal_gets_its_environment_and_no_other(here, capfd, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    assert here.execute(("/bin/sh", "-c", 'echo "$A$SECRET"; pwd; exit 7'), {"A": "b"}, "/usr") == 7
    assert capfd.readouterr().out == "b\n/usr\n"


def test_a_command_ended_by_a_signal_has_the_status_of_a_shell(here):
    assert here.execute(("/bin/sh", "-c", "kill -TERM $$"), {}) == 143


def test_a_command_that_is_not_there_says_so_as_a_shell_does(here, capfd):
    assert here.execute(("no-such-program",), {}) == 127
    assert "no such command" in capfd.readouterr().err
