"""Which release to go back to, and its configuration under a new version."""

from __future__ import annotations

from collections.abc import Callable

from nuages.engine.model import Live
from nuages.errors import ReleaseError, UsageError
from nuages.hosts.transport import Transport
from nuages.settings.configuration import Configuration, load_configuration, rolled_back


def target_of(live: Live, wish: str | None) -> int:
    """The number meant: vN, or the newest release before the live one that is not the same as it."""
    earlier = sorted((r for r in live.numbered.values() if r["number"] < live.number), key=lambda r: -r["number"])
    if wish is None:
        now = live.release or {}
        different = [r for r in earlier if (r["build"], r["config"]) != (now["build"], now["config"])]
        if not different:
            raise ReleaseError("there is no earlier release to go back to", hint="`nuages releases` lists what is on disk")
        # A rollback of a rollback goes further back, not forth again.
        undone = now.get("rollback_to")
        older = [r for r in different if undone is None or r["number"] < undone]
        return int((older or different)[0]["number"])
    if not wish.removeprefix("v").isdecimal():
        raise UsageError(f"{wish!r} is not a release", hint="nuages rollback v3; `nuages releases` lists them")
    number = int(wish.removeprefix("v"))
    if number == live.number:
        raise UsageError(f"v{number} is the live release")
    if number not in {r["number"] for r in earlier}:
        raise ReleaseError(
            f"v{number} is not on disk",
            hint=", ".join(f"v{r['number']}" for r in earlier) or "nothing earlier is",
        )
    return number


def earlier_configuration(here: Transport, live: Live, number: int) -> Callable[[Configuration], Configuration]:
    version = live.numbered[f"v{number}"]["config"]
    stored = here.read({"config": {"kind": "json", "path": str(live.layout.config(version))}})["config"]
    if stored is None:
        raise ReleaseError(f"config v{version} of v{number} is gone", where=str(live.layout.config(version)))
    old = load_configuration(stored)
    return lambda newest: rolled_back(old, newest)
