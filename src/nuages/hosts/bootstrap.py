"""How the agent gets onto a host: by the same connection that it answers on, as root, leaving nothing there.

The remote command is one line that every login shell understands. It finds python3, becomes root (by login or by sudo)
and gives way to a Python that reads the agent from its standard input. So the agent is in no file, and neither the
request nor a password is in an argument list.
"""

from __future__ import annotations

import functools
import json
import zlib
from enum import StrEnum
from pathlib import Path


MARK = b"\x1e"
FILES = ("agent.py", "agent_server.py", "agent_ready.py")
OLDEST = (3, 9)
# The system's own Python first; PATH as sudo's secure_path has it.
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class Way(StrEnum):
    """How the login becomes root. `FIRST`: root, and sudo without a password, are tried; `KNOWN`: one of them works."""

    FIRST = "first"
    KNOWN = "known"
    PASSWORD = "password"  # noqa: S105 - its name, none of them


# Neither kind of quote and no backslash: it stands within two levels of them. A line that begins with MARK says how many
# compressed bytes follow; what a password left in the pipe, or a login shell asked for, comes before it.
LOADER = "import sys,zlib;b=sys.stdin.buffer;exec(zlib.decompress(b.read(int(next(x for x in b if x[0]==30)[1:]))))"
# With a password, the program is sent only once sudo has taken it: else sudo would read its lines as further tries.
PATIENT = f"print(chr(30),flush=True);{LOADER}"

PRELUDE = """
import os, sys
if sys.version_info < %(oldest)r:
    print(chr(30) + '{"event": "python", "version": "%%d.%%d"}' %% sys.version_info[:2])
    sys.exit(3)
sys.modules["agent"] = sys.modules["__main__"]
SOURCES = %(sources)s
exec(compile(SOURCES["agent.py"], "agent.py", "exec"))
"""


def remote_command(way: Way) -> str:
    """For ssh's command line. Prints MARK and `no python` or `no sudo` where these are missing."""
    python = f'"$p" -I -S -c "{PATIENT if way is Way.PASSWORD else LOADER}" "$SSH_CONNECTION" "$LOGNAME"'
    sudo = 'sudo -k -S -p ""' if way is Way.PASSWORD else "sudo -n"
    script = (
        f"LC_ALL=C;PATH={PATHS};export LC_ALL PATH;"
        'p=$(command -v python3)||{ printf "\\036no python\\n";exit 127;};'
        f"if [ $(id -u) -eq 0 ];then exec {python};fi;"
        'command -v sudo >/dev/null||{ printf "\\036no sudo\\n";exit 127;};'
        f"exec {sudo} -- {python}"
    )
    return f"exec /bin/sh -c '{script}'"


def login_check(way: Way) -> str:
    """For a fresh login: can it still become root?"""
    sudo = 'sudo -k -S -p ""' if way is Way.PASSWORD else "sudo -n"
    return f"exec /bin/sh -c 'LC_ALL=C;export LC_ALL;if [ $(id -u) -eq 0 ];then exit 0;fi;exec {sudo} -- true'"


@functools.cache
def program() -> bytes:
    """The agent as LOADER takes it: a line with its length, then the compressed text."""
    here = Path(__file__).parent
    sources = {name: (here / name).read_text() for name in FILES if (here / name).exists()}
    text = PRELUDE % {"oldest": OLDEST, "sources": json.dumps(sources, ensure_ascii=False)}
    packed = zlib.compress(text.encode(), 9)
    return MARK + b"%d\n" % len(packed) + packed
