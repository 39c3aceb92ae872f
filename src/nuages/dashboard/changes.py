"""What a release brought against the one before it: commits, names in the configuration. Values are compared, never kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.errors import HostError
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport


SHOWN = 40  # commits
UNIT = "\x1f"


@dataclass(frozen=True)
class Names:
    """A version of the configuration without what is in it: name -> a digest that tells only whether it changed."""

    env: Mapping[str, str]
    files: Mapping[str, str]
    scale: Mapping[str, int]
    key: str


def names_of(stored: Mapping[str, Any], salt: bytes) -> Names:
    """`salt` is this process's own, so that nobody can look for the digest of a likely value."""

    def digest(value: Any) -> str:
        return hashlib.blake2b(str(value).encode(), key=salt, digest_size=16).hexdigest()

    return Names(
        env={name: digest(value) for name, value in (stored.get("env") or {}).items()},
        files={name: digest(value) for name, value in (stored.get("files") or {}).items()},
        scale=dict(stored.get("scale") or {}),
        key=digest(stored.get("secret_key")),
    )


def between(old: Names | None, new: Names | None) -> list[str]:
    """One line for each name: + PAYMENT_KEY, ~ DATABASE_URL, - OLD."""
    if not old or not new or old == new:
        return []
    said = [*_compared(old.env, new.env, ""), *_compared(old.files, new.files, " (file)")]
    said += [f"~ scale {name}={number}" for name, number in sorted(new.scale.items()) if old.scale.get(name) != number]
    said += [f"- scale {name}" for name in sorted(set(old.scale) - set(new.scale))]
    return said + (["~ the secret key was rotated"] if old.key != new.key else [])


def _compared(old: Mapping[str, str], new: Mapping[str, str], kind: str) -> list[str]:
    told = [f"+ {name}{kind}" for name in sorted(set(new) - set(old))]
    told += [f"~ {name}{kind}" for name in sorted(set(new) & set(old)) if new[name] != old[name]]
    return told + [f"- {name}{kind}" for name in sorted(set(old) - set(new))]


class Commits:
    """What git knows in the project's folder, where it is a repository and has both commits; asked once for each pair."""

    def __init__(self, here: Transport, root: Path) -> None:
        self.here, self.root = here, root
        self.known: dict[tuple[str, str], list[dict[str, str]]] = {}

    def between(self, old: str, new: str) -> list[dict[str, str]]:
        if not new or old == new:
            return []
        if (old, new) not in self.known:
            self.known[old, new] = self._ask(old, new)
        return self.known[old, new]

    def _ask(self, old: str, new: str) -> list[dict[str, str]]:
        span = (f"{old}..{new}",) if old else ("-1", new)
        form = f"--format=%h{UNIT}%an{UNIT}%aI{UNIT}%s"
        argv = ("git", "-C", str(self.root), "log", "--no-show-signature", f"-{SHOWN}", form, *span, "--")
        try:
            said = self.here.run(Command(argv, timeout=10))
        except HostError:  # no git here
            return []
        rows = [line.split(UNIT) for line in said.stdout.splitlines() if line.count(UNIT) >= 3] if said.ok else []  # noqa: PLR2004
        return [{"id": id_, "author": who, "at": at, "subject": UNIT.join(rest)} for id_, who, at, *rest in rows]
