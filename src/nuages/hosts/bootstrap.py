"""How the agent gets onto a host: by the same connection that it answers on, as root, leaving nothing there.

The remote command is one line that every login shell understands. It finds python3, becomes root (by login or by sudo)
and gives way to a Python that reads the agent from its standard input. No file of it stays but a compiled copy in /run, and neither the
request nor a password is in an argument list.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from enum import StrEnum
from pathlib import Path


MARK = b"\x1e"
FILES = (
    "agent.py",
    "agent_lock.py",
    "agent_insight.py",
    "agent_server.py",
    "agent_ready.py",
    "agent_certs.py",
    "agent_files.py",
    "agent_packages.py",
    "agent_units.py",
)
OLDEST = (3, 9)
# The system's own Python first; PATH as sudo's secure_path has it.
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class Way(StrEnum):
    """How the login becomes root. `FIRST`: not known yet; root, and sudo without a password, are tried."""

    FIRST = "first"
    ROOT = "root"
    SUDO = "sudo"
    PASSWORD = "password"  # noqa: S105 - its name, none of them
    GATE = "gate"  # it does not: a deploy key reaches a program that deploys one site and takes none of ours


# Neither kind of quote and no backslash: it stands within two levels of them. A line that begins with MARK says how many
# compressed bytes follow; what a password left in the pipe, or a login shell asked for, comes before it.
LOADER = "import sys,zlib;b=sys.stdin.buffer;exec(zlib.decompress(b.read(int(next(x for x in b if x[0]==30)[1:]))))"
# With a password, the program is sent only once sudo has taken it: else sudo would read its lines as further tries.
PATIENT = f"print(chr(30),flush=True);{LOADER}"

# What was compiled is kept in a folder of root's that a reboot empties: compiling is a third of what a round trip costs, and
# on a slow line sending is more. A host that lacks it says `need`, and the client sends it after the request.
PRELUDE = """
import marshal, os, sys
if sys.version_info < %(oldest)r:
    print(chr(30) + '{"event": "python", "version": "%%d.%%d"}' %% sys.version_info[:2])
    sys.exit(3)
sys.modules["agent"] = sys.modules["__main__"]
REQUEST, inline = b"", b.read(%(inline)d)
kept = "/run/nuages/agent-%(digest)s-" + sys.implementation.cache_tag
try:
    with open(kept, "rb") as file:
        SOURCES = marshal.load(file)
except Exception:
    import json
    if not inline:
        REQUEST = b.readline()
        print(chr(30) + "need", flush=True)
        inline = b.read(%(size)d)
    texts = json.loads(zlib.decompress(inline))
    SOURCES = {name: marshal.dumps(compile(text, name, "exec")) for name, text in texts.items()}
    try:
        os.makedirs("/run/nuages", mode=0o700, exist_ok=True)
        for name in os.listdir("/run/nuages"):
            if name.startswith("agent-"):
                os.unlink("/run/nuages/" + name)
        with open("%%s.%%d" %% (kept, os.getpid()), "wb") as file:
            marshal.dump(SOURCES, file)
        os.rename(file.name, kept)
    except OSError:
        pass
exec(marshal.loads(SOURCES["agent.py"]))
"""


def remote_command(way: Way, python: str = "python3") -> str:
    """For ssh's command line. The first time it prints MARK and a line: `root PYTHON` or `sudo PYTHON` (how it goes on, and
    with which Python), `no python`, `no sudo`. After that the host is spared the questions."""
    caller = '"$SSH_CONNECTION" "$LOGNAME"'
    if way is Way.GATE:
        return "nuages-gate"
    if way is Way.FIRST:
        return _first(f'"$p" -I -S -c "{LOADER}" {caller}')
    if way is Way.ROOT:
        return f'exec {python} -I -S -c "{LOADER}" {caller}'
    sudo, loader = ('sudo -k -S -p ""', PATIENT) if way is Way.PASSWORD else ("sudo -n", LOADER)
    return f'exec env LC_ALL=C {sudo} -- {python} -I -S -c "{loader}" {caller}'


def _first(start: str) -> str:
    script = (
        f"LC_ALL=C;PATH={PATHS};export LC_ALL PATH;"
        'p=$(command -v python3)||{ printf "\\036no python\\n";exit 127;};'
        f'if [ $(id -u) -eq 0 ];then printf "\\036root %s\\n" "$p";exec {start};fi;'
        'command -v sudo >/dev/null||{ printf "\\036no sudo\\n";exit 127;};'
        f'printf "\\036sudo %s\\n" "$p";exec sudo -n -- {start}'
    )
    return f"exec /bin/sh -c '{script}'"


def login_check(way: Way) -> str:
    """For a fresh login: can it still become root?"""
    if way is Way.PASSWORD:
        return 'exec env LC_ALL=C sudo -k -S -p "" -- true'
    return "exec true" if way is Way.ROOT else "exec env LC_ALL=C sudo -n -- true"


@functools.cache
def program(*, whole: bool = False) -> bytes:
    """The agent as LOADER takes it: a line with a length and the compressed prelude; and the sources, where they are not
    left to be asked for. Before a stream of data they can't be, for they would have to come after it."""
    facts = {"oldest": OLDEST, "size": len(sources()), "digest": hashlib.sha256(sources()).hexdigest()[:16]}
    prelude = PRELUDE % {**facts, "inline": facts["size"] if whole else 0}
    packed = zlib.compress(prelude.encode(), 9)
    return MARK + b"%d\n" % len(packed) + packed + (sources() if whole else b"")


@functools.cache
def sources() -> bytes:
    here = Path(__file__).parent
    text = json.dumps({name: (here / name).read_text() for name in FILES if (here / name).exists()})
    return zlib.compress(text.encode(), 9)
