"""The agent as it runs on a host: by the host's own Python, behind whatever a login shell prints."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from agent_module import AGENT

from nuages.hosts import bootstrap
from nuages.hosts.answers import as_line
from nuages.hosts.bootstrap import LOADER, program, sources


OLDEST = (3, 9)
PYENV = Path.home() / ".pyenv" / "versions"


def python(version):
    found = sorted(PYENV.glob(f"{version}.*/bin/python3"))
    if not found:
        pytest.skip(f"there is no Python {version} under ~/.pyenv/versions")
    return str(found[-1])


def ask(executable, request):
    argv = [executable, "-I", "-S", str(AGENT)]
    done = subprocess.run(argv, input=json.dumps(request), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line[1:]) for line in done.stdout.split("\n") if line]


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_it_arrives_over_ssh_under_the_oldest_and_the_newest_python(version, tmp_path):
    """By the loader that the remote command names, compiled the first time and as it was kept the second."""
    question = {"read": {"it": {"kind": "lacking", "store": str(tmp_path), "pieces": {"ab": 1}}, "who": {"kind": "caller"}}}
    argv = [python(version), "-I", "-S", "-c", LOADER, "192.0.2.1 4000 192.0.2.11 22", "ops"]
    for _time in range(2):
        done = subprocess.run(
            argv, input=b"noise\n" + program(whole=True) + as_line(question), capture_output=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout[1:])["answer"]
        assert answer == {"it": ["ab"], "who": {"as": "ops", "from": "192.0.2.1", "port": 22}}


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_it_reads_and_writes_under_the_oldest_and_the_newest_python(version, tmp_path):
    ops = [
        {"op": "mkdir", "path": str(tmp_path / "run"), "mode": 0o700},
        {"op": "file", "path": str(tmp_path / "run" / "a"), "content": "x"},
        {"op": "symlink", "path": str(tmp_path / "live"), "target": "run"},
        {"op": "copy", "path": str(tmp_path / "run"), "to": str(tmp_path / "copy")},
        {"op": "union", "path": str(tmp_path / "run"), "to": str(tmp_path / "union")},
        {"op": "run", "argv": ["/bin/echo", "hello"]},
        {"op": "remove", "paths": [str(tmp_path / "copy")]},
    ]
    questions = {
        "host": {"kind": "host"},
        "site": {"kind": "site", "dir": str(tmp_path)},
        "port": {"kind": "free_port", "after": 18500},
        "lock": {"kind": "lock", "path": str(tmp_path / "lock.json"), "token": "t", "owner": {}, "seconds": 1},
    }
    step = {"text": "+ all", "ops": ops, "undo": []}
    events = ask(python(version), {"read": questions, "write": [step], "journal": str(tmp_path / "journal.jsonl")})
    assert [e["event"] for e in events] == ["begin", "output", "done", "answer"]
    assert events[-1]["answer"]["host"]["python"].startswith(version)
    assert events[-1]["answer"]["lock"] == {"taken": True}


SHIPPED = [path.name for path in AGENT.parent.glob("agent*.py")]


@pytest.mark.parametrize("name", SHIPPED)
def test_its_syntax_is_that_of_the_oldest_python(name):
    ast.parse(AGENT.with_name(name).read_text(), feature_version=OLDEST)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_needs_the_standard_library_and_what_is_sent_with_it_alone(name):
    tree = ast.parse(AGENT.with_name(name).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, *(other.removesuffix(".py") for other in SHIPPED)}


def test_it_goes_on_when_nobody_listens_any_more(tmp_path):
    """The connection died: the steps are carried out, and the journal tells."""
    ops = [
        {"op": "run", "argv": ["/bin/sh", "-c", "sleep 0.3; echo word"]},
        {"op": "file", "path": str(tmp_path / "a"), "content": ""},
    ]
    request = {"write": [{"text": "+ one", "ops": ops}], "journal": str(tmp_path / "journal.jsonl")}
    running = subprocess.Popen([sys.executable, str(AGENT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    running.stdin.write(json.dumps(request))
    running.stdin.close()
    running.stdout.close()
    assert running.wait(20) == 0
    assert (tmp_path / "a").exists()
    assert '"done"' in (tmp_path / "journal.jsonl").read_text()


def test_a_listener_that_falls_silent_holds_nothing_up(tmp_path):
    """A laptop that is closed: no end of the connection is seen, and the pipe to it fills."""
    impatient = tmp_path / "agent.py"
    impatient.write_text(AGENT.read_text().replace("DEAF = 60", "DEAF = 0.5"))
    long_line = {"op": "run", "argv": [sys.executable, "-c", "print('x' * 300000)"]}
    step = {"text": "+ loud", "ops": [long_line, long_line, {"op": "file", "path": str(tmp_path / "a"), "content": ""}]}
    with subprocess.Popen([sys.executable, str(impatient)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        running.stdin.write(json.dumps({"write": [step], "journal": str(tmp_path / "journal.jsonl")}) + "\n")
        running.stdin.flush()
        assert running.wait(20) == 0
    assert (tmp_path / "a").exists()


def test_its_sources_are_sent_only_where_the_host_lacks_them(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "PRELUDE", bootstrap.PRELUDE.replace("/run/nuages", str(tmp_path / "run")))
    program.cache_clear()
    asked = []
    for _time in range(2):
        argv = [sys.executable, "-I", "-S", "-c", LOADER, "", ""]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
            running.stdin.write(program() + as_line({"read": {"who": {"kind": "caller"}}}))
            running.stdin.flush()
            line = running.stdout.readline()
            if line == b"\x1eneed\n":
                asked.append(True)
                running.stdin.write(sources())
                running.stdin.flush()
                line = running.stdout.readline()
            assert json.loads(line[1:])["event"] == "answer"
    assert asked == [True]
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0
    program.cache_clear()
