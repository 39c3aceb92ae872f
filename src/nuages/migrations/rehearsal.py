"""Commands that try the pending migrations on a copy, and what their answers mean. Nothing here starts a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from nuages.hosts.command import Command
from nuages.migrations.model import Break, Rehearsal
from nuages.secret import Secret


@dataclass(frozen=True)
class Code:
    """How to run a module of the runtime with one release's code: its Python, its environment, the folder of manage.py,
    and on a server the account of the site: code of the project never runs as root."""

    python: str
    env: Mapping[str, str | Secret] = field(repr=False)
    cwd: str
    user: str = ""

    def module(self, name: str, *arguments: str, timeout: float = 600) -> Command:
        return Command(
            (self.python, "-m", f"nuages_runtime.{name}", *arguments),
            env=self.env,
            cwd=self.cwd,
            timeout=timeout,
            user=self.user,
        )


def ask_pending(code: Code, out: str, *, aliases: tuple[str, ...] = (), missing: bool = True, details: bool = True) -> Command:
    """`out` then holds the report for `judge`. Without a live release `details` only cost time."""
    arguments = [f"--database={alias}" for alias in aliases]
    arguments += [] if missing else ["--skip-missing"]
    arguments += [] if details else ["--brief"]
    return code.module("pending", "--out", out, *arguments)


def rehearse_new(code: Code, scratch: str, out: str, alias: str = "default") -> Command:
    """First: the new release's code runs its migrations on a copy and writes the schema after each."""
    return code.module("rehearse", "--database", alias, "--scratch", scratch, "--out", out, timeout=3600)


def compare_old(code: Code, schemas: str, out: str) -> Command:
    """Then: the live release's code is compared with each of these schemas. It needs no database."""
    return code.module("schema", "--compare", schemas, "--out", out)


def dump_schema(code: Code, out: str, alias: str = "default") -> Command:
    """The schema of the real database in the same form, for `compare_old` before a rollback."""
    return code.module("schema", "--dump", "--database", alias, "--out", out)


def run_all(code: Code, *, lock_timeout: float, alias: str = "default") -> Command:
    """Run whatever is pending: for a first deploy, where nothing is live beside it."""
    return code.module("migrate", "--database", alias, "--lock-timeout", f"{lock_timeout:g}", "--all", timeout=24 * 3600)


def run_phase(
    code: Code,
    labels: tuple[str, ...],
    *,
    lock_timeout: float,
    keep: str,
    relax: tuple[str, ...] = (),
    alias: str = "default",
) -> Command:
    """Run these migrations. `keep` is the file that notes the defaults which stay for the older release ("": none do).

    Before the switch also `relax=judgement.relax`: columns that the new release does not give may then be empty
    until they are removed. Either tuple may be empty, not both.
    """
    arguments = ["--database", alias, "--lock-timeout", f"{lock_timeout:g}", "--only", ",".join(labels)]
    arguments += ["--keep-defaults", keep] if keep else []
    arguments += ["--relax", ",".join(relax)] if relax else []
    return code.module("migrate", *arguments, timeout=24 * 3600)


def drop_defaults(code: Code, keep: str, alias: str = "default") -> Command:
    """Once the older release is gone for good: the defaults that were kept for it go. No file, nothing to do."""
    return code.module("migrate", "--database", alias, "--drop-defaults", keep)


# --- answers ----------------------------------------------------------------------------------------------------


def read_rehearsal(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> Rehearsal:
    """`new` is what rehearse_new wrote, `old` what compare_old wrote (None: the live code was not asked)."""
    rehearsal = Rehearsal(how=new.get("how", ""), seconds=new.get("seconds", {}), failed=new.get("failed", ""))
    if not new.get("steps") or old is None:
        return rehearsal
    live = [(step["after"], read_breaks(step["breaks"])) for step in old["steps"]]
    fresh = [(step["after"], read_breaks(step["breaks"])) for step in new["new"]]
    return replace(
        rehearsal,
        proved=not rehearsal.failed,
        whole=bool(new.get("whole")),
        introduces={label: tuple(b for b in breaks if b not in before) for (_, before), (label, breaks) in pairs(live)},
        needed={label: tuple(b for b in before if b not in breaks) for (_, before), (label, breaks) in pairs(fresh)},
        breaks_old=tuple(b for b in live[-1][1] if b not in live[0][1]),
    )


Step = tuple[str, tuple[Break, ...]]


def pairs(steps: list[Step]) -> list[tuple[Step, Step]]:
    return list(pairwise(steps))


def read_breaks(found: list[Mapping[str, str]]) -> tuple[Break, ...]:
    return tuple(Break(b["model"], b["column"], b["what"], b.get("kind", "")) for b in found)


def read_comparison(old: Mapping[str, Any]) -> tuple[Break, ...]:
    """What a release's code would meet in the schema of `dump_schema`: empty means that a rollback may switch to it."""
    steps = old.get("steps") or [{"breaks": []}]
    return read_breaks(steps[-1]["breaks"])
