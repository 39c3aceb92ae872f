"""What became of a web process that must prove itself: True, None (not yet) or why not, in at most five lines."""

import os
import re
import socket
import time

from state import read_json


LINES = 5
HINTS = {
    "missing-dependency": "add it to the project's requirements",
    "disallowed-host": "name the site's domains in nuages.toml: domains = [...]",
    "https-redirect": "the project redirects to https by itself: declare [tls] in nuages.toml, or turn its redirect off",
    "redirect-loop": "choose a page that answers by itself: [health] path in nuages.toml",
    "status": "another page or other statuses may count: [health] path and expect in nuages.toml",
    "timeout": "a slow start may be given more time: [health] within in nuages.toml",
    "memory": "fewer workers need less: nuages scale web=1, or [scale] in nuages.toml",
    "exited": "nuages logs web tells what it printed",
}
WORKER_END = re.compile(rb"Worker \(pid:\d+\) (exited with code \d+|was sent SIG\w+)")
GUNICORN_SAYS = re.compile(r"\[(INFO|ERROR|WARNING)\]|/gunicorn/|HaltServer|self\.|^(Traceback|During handling)")
MEMORY = re.compile(rb"SIGKILL! Perhaps out of memory|MemoryError")


def judge(process, proof_dir):
    reports = read_reports(proof_dir)
    for report in reports:
        if not report.get("ok"):
            return failure(process, report.get("kind", "failed"), report.get("lines") or [str(report.get("detail"))])
    if not process.is_running():
        return _ended(process)
    if process.spec.get("proof"):
        if len(reports) >= int(process.spec.get("workers", 1)):
            return True
    elif _answers(process):
        return True
    return _overdue(process)


def read_reports(proof_dir):
    try:
        names = sorted(os.listdir(proof_dir))
    except OSError:
        return []
    reports = [read_json(os.path.join(proof_dir, name)) for name in names if name.endswith(".json")]
    return [report for report in reports if isinstance(report, dict)]


def failure(process, kind, lines):
    return {
        "kind": kind,
        "process": process.spec["name"],
        "lines": [str(line)[:300] for line in lines][:LINES],
    }


def _answers(process):
    """A process of the user's own making: it has a port that opens, or has at least not fallen over."""
    port = process.spec.get("port")
    if port is None:
        return time.time() - process.started > float(process.spec.get("settle", 1))
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=0.2).close()
    except OSError:
        return False
    return True


def _ended(process):
    said = read_log(process)
    if MEMORY.search(said) or "signal 9" in (process.ended or ""):
        return failure(
            process,
            "memory",
            ["%s ran out of memory while it started" % process.spec["name"], *tail(said, 3)],
        )
    worker = WORKER_END.search(said)
    how = worker.group(1).decode().replace("code", "status") if worker else process.ended or "ended"
    return failure(process, "exited", ["%s %s before it was ready" % (process.spec["name"], how), *tail(said, 4)])


def _overdue(process):
    said = read_log(process)
    if MEMORY.search(said):
        return failure(process, "memory", ["a worker was killed while it started: out of memory?", *tail(said, 3)])
    allowed = float(process.spec.get("start_timeout", 60))
    if time.time() - process.started < allowed:
        return None
    first = "%s did not answer within %g seconds of its start" % (process.spec["name"], allowed)
    return failure(process, "timeout", [first, *tail(said, 4)])


def read_log(process):
    try:
        with open(process.spec["log"], "rb") as file:
            file.seek(process.log_from)
            return file.read(1 << 20)
    except OSError:
        return b""


def tail(said, count):
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    own = [line for line in lines if not GUNICORN_SAYS.search(line)]  # its tracebacks are about itself
    return (own or lines)[-count:]
