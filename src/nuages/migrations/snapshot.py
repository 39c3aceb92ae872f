"""What a snapshot of the database will cost, told before it is taken, and which ones stay. runtime/dump.py takes them."""

from __future__ import annotations

from nuages.hosts.command import Command


# Measured on a laptop's disk; told as "about", so that nobody waits in doubt.
SQLITE_BYTES_PER_SECOND = 200_000_000
POSTGRESQL_BYTES_PER_SECOND = 50_000_000  # of the database; pg_dump compresses while it reads, 25 to 150 measured
KEEP = 5
GIGABYTE = 1000  # in megabytes
LONG = 120  # seconds
ENDINGS = {"sqlite": ".sqlite3", "postgresql": ".dump"}  # by the vendor of Django's connection
AS_USER = 'PATH="$PATH:/usr/sbin" runuser -u "$user" -- "$@"'
KEEP_IT = (
    "set -e; umask 077; path=$1 user=$2; shift 2; trap 'rm -f \"$path.partial\"' EXIT; "
    f'{AS_USER} > "$path.partial"; mv "$path.partial" "$path"'
)
PUT_BACK = f'path=$1 user=$2; shift 2; {AS_USER} < "$path"'


def tell(size: int, speed: int = SQLITE_BYTES_PER_SECOND) -> str:
    """`size` in bytes, `speed` in bytes a second: "about 120 MB, 1 s"."""
    megabytes = size / 1e6
    volume = f"{megabytes / 1000:.1f} GB" if megabytes >= GIGABYTE else f"{max(1, round(megabytes))} MB"
    seconds = max(1, round(size / speed))
    return f"about {volume}, {seconds} s" if seconds < LONG else f"about {volume}, {round(seconds / 60)} min"


def expired(names: tuple[str, ...], keep: int = KEEP) -> tuple[str, ...]:
    """The snapshots to remove, oldest first; names begin with the release that they were taken for (v12-3c9e-before-default)."""
    ordered = sorted(names, key=lambda name: int("".join(filter(str.isdigit, name.split("-", 1)[0])) or 0))
    return tuple(ordered[:-keep]) if keep and len(ordered) > keep else ()


def keep(command: Command, path: str) -> Command:
    """On a server: `command` (dump --to -) runs as its user, and what it sends is kept at `path`, where he may not look."""
    return _by_root(KEEP_IT, command, path)


def put_back(command: Command, path: str) -> Command:
    """On a server: `command` (dump --restore -) runs as its user and is sent what is kept at `path`."""
    return _by_root(PUT_BACK, command, path)


def _by_root(script: str, command: Command, path: str) -> Command:
    return command.with_(argv=("/bin/sh", "-c", script, "sh", path, command.user, *command.argv), user="")
