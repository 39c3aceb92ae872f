"""A live site's rows move to another engine: one deploy with three more steps, so that a failure leaves the site where it was.

    ~ an earlier database of that name is kept under another
    ! the old database takes no more writes           undo: it takes them again
    ~ its rows in the new one, each value compared

They run behind the maintenance page, once the release with the new database is there and before it starts. Background
processes of the live release are stopped first. The old database stays where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nuages.data.dump import stamp
from nuages.data.hand import Hand
from nuages.engine.judge import Move
from nuages.engine.model import Desired, Live, Step
from nuages.engine.ops import step
from nuages.engine.request import Request
from nuages.errors import UsageError
from nuages.migrations.model import Judgement
from nuages.settings.configuration import Configuration, set_values, unset_values
from nuages.topology.model import Topology


ROWS_A_SECOND = 8_000  # measured on a small shared machine: read, written, and read twice to compare
OVERHEAD = 15  # seconds for tables, start and proof
PROGRAM = "crossing.py"
SOURCES = {"sqlite": "SQLite", "mysql": "MySQL"}


@dataclass(frozen=True)
class Facts:
    """What there is to move, and what stands against it."""

    vendor: str
    rows: int
    tables: int
    bytes: int
    wrong: tuple[str, ...]
    unnamed: tuple[str, ...]
    fence: str = ""  # why the old database could not be closed to writes

    @property
    def seconds(self) -> int:
        return OVERHEAD + self.rows // ROWS_A_SECOND


def facts_of(hand: Hand) -> Facts:
    told = hand.ask("look", program=PROGRAM)
    wrong, unnamed = tuple(told["wrong"]), tuple(told["unnamed"])
    return Facts(told["vendor"], told["rows"], told["tables"], told["bytes"], wrong, unnamed, told["fence"])


def refuse(facts: Facts) -> None:
    """Raises UsageError with everything that PostgreSQL would not take."""
    if facts.vendor == "postgresql":
        raise UsageError("the site's database is PostgreSQL already", hint="nothing to do")
    if facts.vendor not in SOURCES:
        hint = "manage.py dumpdata and loaddata; then nuages config set DATABASE_URL=postgres://..."
        raise UsageError(f"rows of {facts.vendor} are not moved yet: SQLite's and MySQL's are", hint=hint)
    if facts.fence:
        hint = "let it, and run it again; the old database has to refuse writes once its rows are copied"
        raise UsageError("the old database can't be closed to writes; nothing was changed", detail=facts.fence, hint=hint)
    if facts.wrong:
        hint = f"{SOURCES[facts.vendor]} takes values that PostgreSQL does not; mend these first (nuages shell), and run it again"
        raise UsageError(
            "PostgreSQL would not take every row; nothing was changed", detail="\n".join(facts.wrong[:20]), hint=hint
        )


def request_for(topology: Topology, live: Live, hand: Hand, *, url: str = "", wait: float = 0) -> Request:
    """The deploy that moves them. `url`: of a database of the user's own, else the one of `[services]`."""
    overrides: dict[str, Any] = {} if url else {"services": replace(topology.services, database="postgresql")}
    if "mysqlclient" in ((live.manifest or {}).get("versions") or {}):  # the new release reads the old rows, by its own Python
        overrides["packages"] = (*topology.packages, "mysqlclient>=2.2")
    env = dict((live.config or {}).get("env") or {})
    return Request(
        root=topology.root,
        what="db convert",
        why="its database moves to PostgreSQL",
        environment=topology.environment,
        overrides=overrides,
        change=_change(url, env),
        move=moving(hand),
        wait=wait,
    )


def _change(url: str, env: Mapping[str, str]) -> Callable[[Configuration], Configuration]:
    if url:
        return lambda config: set_values(config, {"DATABASE_URL": url})
    if "DATABASE_URL" in env:  # it would win over the one of [services]
        return lambda config: unset_values(config, ("DATABASE_URL",))
    return lambda config: config


def moving(hand: Hand) -> Move:
    def steps(desired: Desired, live: Live) -> tuple[Judgement, ...]:
        number, kept = desired.number, f"before-{stamp()}"
        found = [
            *_quiet(live),
            step(
                "~",
                "an earlier database of that name is kept",
                "where there is one",
                hand.op("aside", program=PROGRAM, number=number, kept=kept),
            ),
            step(
                "!",
                "the old database takes no more writes",
                "none is lost unseen",
                hand.op("fence", program=PROGRAM, up=True),
                undo=(hand.op("fence", program=PROGRAM, up=False),),
            ),
            step("~", "its rows in the new database", "each value is compared", hand.op("move", program=PROGRAM, number=number)),
        ]
        return (Judgement(pending=(), alias=hand.place.alias, move=tuple(found)),)

    return steps


def _quiet(live: Live) -> list[Step]:
    """Workers and schedulers of the live release; on this machine there is no word to stop one of them."""
    serving = live.supervisor.get("generations", {}).get(live.serving, {})
    names = [p["name"] for p in serving.get("processes", ()) if p["kind"] != "web" and p["state"] not in ("ended", "failed")]
    if not names or not live.host.address:
        return []
    units = [_unit(live, name) for name in names]
    stop, start = ({"op": "run", "argv": ["systemctl", word, *units], "timeout": 900} for word in ("stop", "start"))
    return [step("!", f"stop {', '.join(names)}", "they write to the old database", stop, undo=(start,))]


def _unit(live: Live, process: str) -> str:
    name, _dot, index = process.partition(".")
    return f"{live.layout.dir.name}-{name}@{live.serving}{f'.{index}' if index else ''}.service"
