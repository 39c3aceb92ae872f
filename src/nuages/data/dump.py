"""A database into a file: on its host, or on to this machine.

A dump is one tar: `database.dump` (pg_dump's custom format) or `database.sqlite3`, and `manifest.json`, which tells what it
held at the same instant: {"format", "site", "alias", "engine": "postgresql" | "sqlite", "version", "at", "release",
"tables": {name: rows}, "sequences": {name: last}, "migrations": [[app, name]], "extensions", "bytes", "sha256"}.
On the host it is root's, 0600, in /srv/<site>/backups/dumps (or wherever `path` says).

    with laid(place_of(topology, host)) as hand:
        manifest = dump(hand, path, token, console.step)          # the live database
        manifest = dump(hand, path, token, console.step, word="scrub")   # one beside it: <db>-scrub
        bring(hand, path, Path("shop.tar"), console.progress)      # to this machine, 0600
        path = send(hand, Path("shop.tar"), console.progress)      # to the host, into backups/incoming; tells where
        forget(hand, path)                                        # remove it again

A host that is dumped from need not be locked: a dump sees one instant, and nobody waits for it. `token` is that of
`deploy_lock` where one is held, else UNLOCKED. Who dumps is in the host's journal.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nuages.data.hand import Hand, Report
from nuages.engine.request import user
from nuages.hosts.transport import Progress


def stamp() -> str:
    """As in the names of dumps and of databases that were replaced: 20261125-163000, UTC."""
    return datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")


UNLOCKED = ""  # the token of steps that hold no lock, and wait for nobody's


def dump(
    hand: Hand, path: str, token: str, report: Report, *, word: str = "", name: str = "", compress: bool = True, **more: Any
) -> dict[str, Any]:
    """Its manifest. `word` or `name`: of a database beside the live one. `more` goes into the manifest ("scrubbed", "why")."""
    wish = {
        "to": path,
        "compress": compress,
        "more": more,
        **({"word": word} if word else {}),
        **({"name": name} if name else {}),
    }
    text = f"dump {Path(path).name}"
    shown = f"+ {hand.place.host.name}  {text}"
    report({"event": "begin", "step": 1, "text": shown})
    began = time.monotonic()
    # A question and not a step: steps are carried out one batch at a time, and a deploy would have to wait for a large dump.
    told = hand.ask("dump", lambda line: report({"event": "output", "line": line}), **wish)
    manifest = dict(told["manifest"])
    rows = sum(manifest["tables"].values())
    hand.carry_out([hand.step("+", f"{text}: {rows} rows, by {user()}")], token, lambda _event: None)
    report({"event": "done", "step": 1, "text": shown, "seconds": round(time.monotonic() - began, 3)})
    return manifest


def bring(hand: Hand, path: str, to: Path, progress: Progress) -> int:
    """From the host to this machine; its bytes."""
    return hand.place.host.fetch(path, to, progress)


def send(hand: Hand, source: Path, progress: Progress) -> str:
    """From this machine to the host; where it lies there. What has arrived before is not sent again."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    store = str(hand.place.incoming)
    hand.place.host.ship({digest: source}, store, progress)
    return f"{store}/{digest[:2]}/{digest}"


def forget(hand: Hand, *paths: str, token: str = UNLOCKED) -> None:
    """Remove dumps from the host."""
    op = {"op": "remove", "paths": list(paths)}
    hand.carry_out([hand.step("-", "dumps that are not needed any more", op)], token, lambda _event: None)
