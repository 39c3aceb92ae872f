"""A dump becomes the live database: loaded beside it, checked, swapped by name. What it replaces is kept.

    with deploy_lock(host, layout, "db restore") as token, laid(place) as hand:
        restored = restore(hand, path, token, console.step, migrate=True)
        restored.kept                       # shop-before-20261125-163000
        undo(hand, token, console.step)     # back to what was replaced, which is kept in its turn

Three steps, and until the last one nothing of the site is touched:

    + a database beside the live one, from DUMP    undo: dropped
    ? its rows, sequences and migrations           as in the manifest; does the live release's code fit?  `migrate`: run what is pending
    ! it becomes the live database                 under the maintenance page; two renames in one transaction (SQLite: one transaction)

The parts, for others that put databases in place (`copy`, `convert`): `load_step`, `check_step`, `swap_steps`, each a step
for `hand.carry_out`; `word` is what is added to the live database's name meanwhile ("restore", "verify", "scrub", "copy").
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.data.dump import stamp
from nuages.data.hand import Hand, Op, Report
from nuages.engine.model import PAGE
from nuages.hosts.transport import Transport


@dataclass(frozen=True)
class Restored:
    """`kept` is the database that was replaced, `migrated` what was run on the restored one before it went live."""

    kept: str
    manifest: dict[str, Any]
    migrated: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return int(sum(self.manifest["tables"].values()))


def restore(
    hand: Hand,
    path: str,
    token: str,
    report: Report,
    *,
    shown: str = "",
    migrate: bool = False,
    newer: bool = False,
    older: bool = False,
    page: bool = True,
) -> Restored:
    """`shown`: what the dump is called for people, else by its path. `page`: the maintenance page is put up, and taken down again; say False where it is up already."""
    steps = [
        load_step(hand, path, shown=shown),
        check_step(hand, path, migrate=migrate, newer=newer, older=older),
        *swap_steps(hand, f"before-{stamp()}", page=page),
    ]
    hand.carry_out(steps, token, report)
    checked, swapped = hand.answer("check"), hand.answer("swap")
    return Restored(swapped["kept"], checked["manifest"], tuple(checked["state"].get("migrated", ())))


def load_step(hand: Hand, path: str, word: str = "restore", *, shown: str = "") -> dict[str, Any]:
    what = f"a database beside the live one, from {shown or Path(path).name}"
    return hand.step("+", what, hand.op("load", file=path, word=word), undo=(hand.op("drop", word=word),))


def check_step(
    hand: Hand, path: str, word: str = "restore", *, migrate: bool = False, newer: bool = False, older: bool = False
) -> dict[str, Any]:
    """`older`, `newer`: it may lack migrations of the live release, or have more."""
    op = hand.op("check", file=path, word=word, migrate=migrate, newer=newer, older=older)
    return hand.step("?", "its rows, sequences and migrations", op)


def swap_steps(hand: Hand, kept: str, word: str = "restore", *, page: bool = True) -> list[dict[str, Any]]:
    """`kept` is the word that is added to the name of what it replaces."""
    what = "it becomes the live database, and what it replaces is kept"
    return [_under_page(hand, what, hand.op("swap", word=word, kept=kept), page=page)]


def undo(hand: Hand, token: str, report: Report, *, name: str = "", page: bool = True) -> dict[str, str]:
    """The last replaced database (or the kept one of that `name`) goes live again: {"name", "kept"}."""
    op = hand.op("undo", kept=f"before-{stamp()}", **({"name": name} if name else {}))
    what = f"{name or 'the database that was replaced last'} goes live again"
    hand.carry_out([_under_page(hand, what, op, page=page)], token, report)
    return {key: str(value) for key, value in hand.answer("undo").items()}


def drop_steps(hand: Hand, names: Sequence[str]) -> list[dict[str, Any]]:
    """Kept databases go for good."""
    return [hand.step("-", f"database {name}", hand.op("drop", name=name)) for name in names]


@contextlib.contextmanager
def page_on(hosts: Sequence[Transport], hand: Hand, token: str) -> Iterator[None]:
    """The page on the hosts that don't lead, while the block runs; the steps themselves put it up on the one that does."""
    path, journal = str(hand.place.layout.maintenance), str(hand.place.layout.journal)

    def write(what: str, op: Op) -> None:
        for host in hosts:
            host.write([{"text": f"~ {host.name}  {what}", "deploy": token, "ops": [op]}], journal, lambda _event: None)

    write("maintenance on", {"op": "file", "path": path, "content": f"{PAGE}\n"})
    try:
        yield
    finally:
        write("maintenance off", {"op": "remove", "paths": [path], "only": f"{PAGE}\n"})


def _under_page(hand: Hand, what: str, op: Op, *, page: bool) -> dict[str, Any]:
    """The page says that a deploy put it up: where the host dies meanwhile, the next deploy or restore takes it away."""
    path = str(hand.place.layout.maintenance)
    up: Op = {"op": "file", "path": path, "content": f"{PAGE}\n"}
    down: Op = {"op": "remove", "paths": [path], "only": f"{PAGE}\n"}
    return hand.step("!", what, *((up, op, down) if page else (op,)), undo=(down,) if page else ())
