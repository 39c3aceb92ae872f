"""Does a generation answer? Each web worker has asked its own callable; then the socket is asked as the proxy would."""

import contextlib
import http.client
import os
import re
import socket
import stat
import time

import units
from state import read_json, read_untrusted, untrusted
from written import unit_of


LINES = 5
LOOK = 0.4  # seconds between questions to systemd
TIMES = 3  # good answers in a row: workers share the socket, and one of them may be the odd one out
EXPECT = "2xx,3xx,401,403,404"
HINTS = {
    "missing-dependency": "add it to the project's requirements",
    "disallowed-host": "name the site's domains in nuages.toml: domains = [...]",
    "https-redirect": "the project redirects to https by itself: declare [tls] in nuages.toml, or turn its redirect off",
    "redirect-loop": "choose a page that answers by itself: [health] path in nuages.toml",
    "status": "another page or other statuses may count: [health] path and expect in nuages.toml",
    "timeout": "a slow start may be given more time: [health] within in nuages.toml",
    "memory": "fewer workers need less: nuages scale web=1, or serve.memory in nuages.toml",
    "exited": "nuages logs web tells what it printed",
    "sandbox": "a part of the sandbox may be too strict for the project: serve.relax in nuages.toml",
    "unit": "the unit's own log tells more: journalctl -u %s",
}
# What systemd could not do before the process ran: systemd.exec(5), "Process Exit Codes".
SYSTEMD = {
    "200": "can't enter its folder",
    "203": "can't run its start script",
    "209": "can't open its log",
    "216": "its group is not there",
    "217": "its user is not there",
    "226": "its sandbox can't be set up",
    "228": "its filter of system calls can't be set up",
    "233": "its folder in /run can't be made",
}
SERVER_SAYS = re.compile(
    r"\[(INFO|ERROR|WARNING)\]|/(gunicorn|granian)/| _granian|HaltServer|self\.|^(Traceback|During handling)"
)
IDLE_TALK = re.compile(r"\[INFO\]| INFO _granian")
DENIED = re.compile(r"PermissionError|Operation not permitted|Permission denied|Read-only file system")
VARIABLE = re.compile(r"KeyError: '([A-Z][A-Z0-9_]+)'|Set the ([A-Z][A-Z0-9_]+) environment variable")
FATAL = re.compile(r"(Fatal Python error: .*)\n((?:.*\n){0,60})")
MEMORY = re.compile(r"MemoryError|Cannot allocate memory|Perhaps out of memory")


def judge(site, generation, process, since, look=True):
    """True, None (not yet) or why not: {"kind", "process", "lines"}. `since` is where its log began. Without `look` systemd
    is not asked while the workers have not told anything: asking takes as much of the processor as it gives them to start."""
    unit = unit_of(site.name, process["name"], generation)
    reports = read_reports(site, generation)
    for report in reports:
        if not report.get("ok"):
            lines = report.get("lines")
            return failure(process, report.get("kind", "failed"), lines if isinstance(lines, list) else [report.get("detail")])
    waits = process.get("proof") and len(reports) < int(process.get("workers", 1))
    waits = waits or not os.path.exists(site.socket(generation))
    if waits and not look:
        return None
    found = units.show([unit]).get(unit, {})
    if found.get("ActiveState") == "failed" or int(found.get("NRestarts") or 0) > 0 or found.get("SubState") == "auto-restart":
        return ended(process, unit, found, read_log(process, since))
    return None if waits else True


def read_reports(site, generation):
    with untrusted(site.runtime, generation, "proof") as folder:
        if folder is None:
            return []
        names = sorted(name for name in os.listdir(folder)[:1000] if name.endswith(".json"))
        return [report for report in (read_untrusted(folder, name) for name in names) if report is not None]


def failure(process, kind, lines):
    lines = [str(line)[:300] for line in lines if line][:LINES]
    return {"kind": str(kind), "process": process["name"], "lines": lines or ["it gave no reason"]}


def ended(process, unit, found, said):
    name, status = process["name"], found.get("ExecMainStatus", "")
    if found.get("Result") == "oom-kill" or MEMORY.search(said):
        return failure(process, "memory", ["%s ran out of memory while it started" % name, *tail(said, 3)])
    if status in SYSTEMD and not tail(said, 1):
        kind = "sandbox" if status in ("226", "228") else "unit"
        return failure(process, kind, ["%s did not start: %s" % (name, SYSTEMD[status]), "unit %s" % unit])
    if found.get("ExecMainCode") in ("2", "3"):  # CLD_KILLED, CLD_DUMPED of sigaction(2)
        how = "was killed by signal %s" % status
        kind = "sandbox" if status == "31" else "exited"  # SIGSYS: a system call that the filter knows nothing of
        return failure(process, kind, ["%s %s before it was ready" % (name, how), *tail(said, 4)])
    return failure(process, "exited", ["%s exited with status %s before it was ready" % (name, status), *tail(said, 4)])


def overdue(process, since, allowed):
    said = read_log(process, since)
    first = "%s did not answer within %g seconds of its start" % (process["name"], allowed)
    return failure(process, "timeout", [first, *tail(said, 4)])


def read_log(process, since):
    try:
        with open(process["log"], "rb") as file:
            file.seek(since)
            return file.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""


def tail(said, count):
    crash = FATAL.search(said)
    return [crash.group(1), *innermost(crash.group(2))][:count] if crash else last_lines(said, count)


def innermost(stack):
    """faulthandler has the most recent call first."""
    files = [line.strip() for line in stack.splitlines() if line.strip().startswith("File ")]
    own = [line for line in files if "/site-packages/" not in line and "<frozen" not in line]
    return own or files


def last_lines(said, count):
    """The last lines that differ: a process that was started three times said all of them three times."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not IDLE_TALK.search(line)]
    own = [line for line in lines if not SERVER_SAYS.search(line)]  # its tracebacks are about itself
    return list(dict.fromkeys(reversed(own or lines)))[:count][::-1]


def hint(failed, site, generation):
    said = "\n".join(failed["lines"])
    variable = VARIABLE.search(said)
    if variable:
        return "set it: nuages config set %s=..." % (variable.group(1) or variable.group(2))
    text = HINTS.get(failed["kind"]) or (HINTS["sandbox"] if DENIED.search(said) else "")
    return text % unit_of(site.name, failed["process"], generation) if "%s" in text else text


# --- the socket, as the proxy asks it ----------------------------------------------------------------------------


def ask(site, generation, process):
    """True, or why not. Behind the maintenance page only whether it lives can be asked."""
    policy = read_json(os.path.join(process["env"].get("NUAGES_RELEASE", ""), "policy.json")) or {}
    health = policy.get("health") or {}
    path, expect = health.get("path") or "/", health.get("expect") or EXPECT
    if process.get("proof") and os.path.exists(os.path.join(site.dir, "shared", "maintenance")):
        path, expect = "/-/live", "200"
    if not opened(site.socket(generation)):
        return failure(process, "socket", ["the proxy may not write to %s" % site.socket(generation)])
    patience = float(health.get("timeout") or 45)
    for _turn in range(TIMES):
        try:
            status, location = get(site.socket(generation), path, headers_for(policy), patience)
        except (OSError, http.client.HTTPException) as error:
            return failure(process, "exception", ["GET %s on its socket: %s" % (path, error or type(error).__name__)])
        if not fits(status, expect):
            return unfit(process, path, status, expect, location, policy)
    return True


def opened(path):
    """Root may connect to any socket, the proxy to one that everybody may write to: its folder keeps the others out."""
    deadline = time.monotonic() + 2  # it is bound first, and opened after that
    while True:
        with contextlib.suppress(OSError):
            if os.stat(path).st_mode & stat.S_IWOTH:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def unfit(process, path, status, expect, location, policy):
    first = "GET %s answered %d, expected %s" % (path, status, expect)
    if status == 400:
        return failure(process, "disallowed-host", [first, "asked with the Host %s" % public_host(policy)])
    return failure(process, "status", [first, location and "it points to %s" % location])


def headers_for(policy):
    secure = (policy.get("tls") or {}).get("enabled")
    return {
        "Host": public_host(policy),
        "X-Forwarded-Proto": "https" if secure else "http",
        "X-Forwarded-For": "127.0.0.1",
        "Accept": "text/html,application/json;q=0.9,*/*;q=0.8",
        "User-Agent": "nuages-proof",
        "Connection": "close",
    }


def public_host(policy):
    domains = [domain for domain in policy.get("domains") or [] if not domain.startswith(("*", "."))]
    if domains:
        return domains[0]
    return "localhost:%s" % policy["port"] if policy.get("port") else "localhost"


def fits(status, expect):
    """`2xx,401` and the like."""
    words = str(expect).lower().replace(" ", "").split(",")
    return any(len(word) == 3 and all(w in ("x", d) for w, d in zip(word, str(status))) for word in words)


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(path, target, headers, patience):
    connection = OverUnix(path, patience)
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("location")
    finally:
        connection.close()


def await_proof(site, generation, process, since, allowed):
    """True or why not, within `allowed` seconds."""
    deadline, looked = time.monotonic() + allowed, 0.0
    while True:
        look = time.monotonic() - looked > LOOK
        looked = time.monotonic() if look else looked
        verdict = judge(site, generation, process, since, look)
        if verdict is True:
            return ask(site, generation, process)
        if verdict is not None:
            return verdict
        if time.monotonic() > deadline:
            return overdue(process, since, allowed)
        time.sleep(0.03)
