"""What a host tells of itself at a glance, and what its logs say of the last minutes. Reads only; stdlib only, Python 3.9+.

A log is read from its end, in blocks, until a line is older than asked for or a bound is met: one of a gigabyte costs as
much as one of a few megabytes. Times are counted in classes of five per cent, so that hosts can be added up.
"""

import contextlib
import json
import math
import os
import re
import time

from agent import READS, read_command, read_text


BLOCK = 1 << 20
MOST = 24 << 20  # bytes of a log
LONGEST = 4 << 20  # of a line
STEP = math.log(1.05)
GUNICORN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z [A-Z]+ .* (\d{3}) (\d+\.\d)ms \d+b \S+$")


# --- the machine ---------------------------------------------------------------------------------------------


def read_vitals(dir="/", updates=False):
    place = dir
    while not os.path.exists(place):
        place = os.path.dirname(place)
    disk = os.statvfs(place)
    memory = _meminfo()
    return {
        "now": time.time(),
        "load": list(os.getloadavg()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory": memory.get("MemTotal", 0),
        "memory_free": memory.get("MemAvailable", 0),
        "swap": memory.get("SwapTotal", 0),
        "swap_free": memory.get("SwapFree", 0),
        "disk": disk.f_blocks * disk.f_frsize,
        "disk_free": disk.f_bavail * disk.f_frsize,
        "inodes_free": disk.f_favail / disk.f_files if disk.f_files else 1.0,
        "uptime": _uptime(),
        "system": _system_name(),
        "updates": _updates() if updates else None,
    }


def _meminfo():
    rows = (line.split() for line in (read_text("/proc/meminfo", 1 << 16) or "").splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


def _uptime():
    """Since the machine, or this container of it, was started."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/1/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


def _system_name():
    lines = (read_text("/etc/os-release") or "").splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return fields.get("PRETTY_NAME", "").strip("\"'")


def _updates():
    """As the lists of packages stand: they are fetched by the system's own timer, never by us."""
    found = {"pending": 0, "security": 0, "checked": 0.0, "reboot": os.path.exists("/run/reboot-required")}
    with contextlib.suppress(OSError):
        found["checked"] = os.stat("/var/lib/apt/periodic/update-success-stamp").st_mtime
    if not found["checked"]:
        with contextlib.suppress(OSError):
            found["checked"] = os.stat("/var/lib/apt/lists/partial").st_mtime
    said = read_command(["apt-get", "-s", "-qq", "-o", "Debug::NoLocking=true", "dist-upgrade"], timeout=20)
    if said["status"]:
        return None
    coming = [line for line in said["stdout"].splitlines() if line.startswith("Inst ")]
    return dict(found, pending=len(coming), security=sum("ecurity" in line for line in coming))


# --- the log of requests -------------------------------------------------------------------------------------


def read_traffic(path, seconds=900, style=""):
    """Requests of the last `seconds` by minute, as {"minutes": {minute: [requests, 5xx, {class: how many}]}, "from", "partial"}.

    `style`: nginx or gunicorn; lines that begin with { are JSON of either.
    """
    now = time.time()
    tally = Tally(now - seconds, _nginx if style == "nginx" else _gunicorn)
    left = MOST
    for name in (path, path + ".1"):
        left = tally.read(name, left)
        if tally.met or left <= 0:
            break
    partial = not tally.met and left <= 0
    since = now - seconds if tally.met or not tally.oldest else tally.oldest  # a younger log tells of less
    return {"now": now, "since": since, "minutes": tally.minutes, "partial": partial}


class Tally:
    def __init__(self, since, parse):
        self.since = since
        self.parse = parse
        self.minutes = {}
        self.met = False  # a line that is older than asked for
        self.oldest = 0.0
        self.seconds = {}  # of texts of time: many lines share one

    def read(self, path, most):
        """From its end; how many bytes may still be read."""
        try:
            file = open(path, "rb")
        except OSError:
            return most
        with file:
            place, rest = file.seek(0, os.SEEK_END), b""
            while place > 0 and most > 0 and not self.met:
                size = min(BLOCK, place)
                place -= size
                file.seek(place)
                block = file.read(size) + rest
                most -= size
                rest, newline, block = block.partition(b"\n") if place else (b"", b"\n", block)
                if not newline:  # the middle of a long line; of one that has no end, nothing is kept
                    rest = rest if len(rest) < LONGEST else b""
                    continue
                self.take(block.decode("utf-8", "replace").splitlines())
        return most

    def take(self, lines):
        for line in reversed(lines):
            try:
                stamp, status, taken = of_json(line) if line[:1] == "{" else self.parse(line)
                at = self.epoch(stamp)
            except (ValueError, KeyError, TypeError, IndexError):
                continue
            if at < self.since:
                self.met = True
                return
            self.oldest = at
            row = self.minutes.setdefault(int(at // 60 * 60), [0, 0, {}])
            row[0] += 1
            row[1] += status >= 500
            kind = int(math.log(max(taken, 0.001) * 1000) / STEP)
            row[2][kind] = row[2].get(kind, 0) + 1

    def epoch(self, stamp):
        at = self.seconds.get(stamp)
        if at is None:
            import datetime as dt

            if len(self.seconds) > 4096:
                self.seconds.clear()
            at = self.seconds[stamp] = dt.datetime.fromisoformat(stamp).timestamp()
        return at


def _nginx(line):
    r"""components/proxy/site.conf.j2: strangers' quotes are written as \x22 there, so quotes part the fields."""
    head, _request, middle, _referer, _blank, _agent, tail = line.split('"')
    return head[head.index("[") + 1 : head.index("]")], int(middle.split()[0]), float(tail.split()[1])


def _gunicorn(line):
    """runtime/request_log.py, among whatever else the processes print."""
    found = GUNICORN.match(line)
    if not found:
        raise ValueError
    return found[1] + "+00:00", int(found[2]), float(found[3]) / 1000


def of_json(line):
    row = json.loads(line)
    stamp = row["time"]
    taken = float(row["seconds"]) if "seconds" in row else float(row["ms"]) / 1000
    return (stamp[:19] + "+00:00" if stamp.endswith("Z") else stamp), int(row["status"]), taken


# --- a question to the site itself ---------------------------------------------------------------------------


def read_ask(host, path="/", socket="", port=0, bind="127.0.0.1", secure=False, timeout=20.0):
    """A request as the proxy would make it, over the site's socket (or a port of this machine): {"status", "seconds",
    "location"}, or {"problem"}. A link to a socket is followed; `target` is where it leads."""
    import http.client
    import socket as sockets

    answer = {"target": os.path.realpath(socket) if socket else "", "status": 0, "problem": "", "location": ""}
    if socket and not os.path.lexists(socket):
        return dict(answer, problem="no link", target="")
    if socket and not os.path.exists(socket):
        return dict(answer, problem="no socket")
    connection = http.client.HTTPConnection(bind if port else "localhost", port or 80, timeout=timeout)
    begun = time.monotonic()
    try:
        if socket:
            connection.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
            connection.sock.settimeout(timeout)
            connection.sock.connect(socket)
        named = {"Host": host, "X-Forwarded-Proto": "https" if secure else "http", "X-Forwarded-Host": host}
        named.update({"X-Forwarded-For": "127.0.0.1", "User-Agent": "nuages-doctor"})
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        response.read(1 << 20)
        answer.update(status=response.status, location=response.getheader("Location") or "")
    except sockets.timeout:
        answer["problem"] = "no answer within %g s" % timeout
    except (OSError, http.client.HTTPException) as error:
        answer["problem"] = getattr(error, "strerror", None) or "%s %s" % (type(error).__name__, error)
    finally:
        connection.close()
    return dict(answer, seconds=time.monotonic() - begun)


READS.update({"vitals": read_vitals, "traffic": read_traffic, "ask": read_ask})
