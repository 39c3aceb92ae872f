"""What is asked of a database that comes with the plan itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nuages.components.contract import Description
from nuages.engine.judge import Asking, _comes, _refuse_other_database, judge_migrations
from nuages.engine.model import Seat
from nuages.errors import MigrationError
from nuages.hosts.fake import FakeTransport
from nuages.testing import shop_config, shop_desired, shop_live, shop_policy, shop_release


URL = "postgresql://shop@/shop?host=/var/run/postgresql"
REFUSED = {"databases": {"default": {"error": {"kind": "database_refused"}}}}
ANSWERED = {"databases": {"default": {"pending": []}}}


def asking(before: str, url: str = URL) -> Asking:
    live = shop_live(shop_release(1))
    described = Description(name="postgresql", what="a database", exports={"DATABASE_URL": URL})
    desired = replace(shop_desired(live), environ={"DATABASE_URL": url}, descriptions=(described,))
    host = FakeTransport({str(live.layout.numbered(live.number) / "env.json"): before})
    return Asking(desired, live, host, "/tmp/scratch", lambda _line: None)


@pytest.mark.parametrize(
    ("before", "url", "report", "comes"),
    [
        ("{}", URL, REFUSED, True),
        ("{}", URL, ANSWERED, False),
        (f'{{"DATABASE_URL": "{URL}"}}', URL, REFUSED, False),  # the live release has it too: it is down
        ("{}", "postgresql://u@db.example/d", REFUSED, False),  # somebody else's
    ],
)
def test_a_database_that_the_plan_makes_need_not_answer_yet(before, url, report, comes):
    assert _comes(asking(before, url), report) is comes


def moved_to(database: str, was: str, **env: str) -> None:
    live = shop_live(shop_release(1), policy={"services": {"database": was}})
    policy = {**shop_policy(), "services": {"database": database}}
    _refuse_other_database(shop_desired(live, config=shop_config(version=2, env=env), policy=policy), live)


@pytest.mark.parametrize(("was", "wanted"), [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("none", "postgresql")])
def test_a_release_that_would_go_live_on_empty_tables_is_stopped(was, wanted):
    with pytest.raises(MigrationError, match="would look for them in") as raised:
        moved_to(wanted, was)
    assert "nuages db convert" in raised.value.hint


@pytest.mark.parametrize(("was", "wanted"), [("postgresql", "postgresql"), ("", "postgresql")])
def test_the_same_database_holds_nothing_up(was, wanted):
    moved_to(wanted, was)


def test_whoever_names_a_database_knows_where_the_rows_are():
    moved_to("none", "postgresql", DATABASE_URL="postgresql://u@db.example/d")


def test_the_judge_asks_that_first_unless_forced():
    live = shop_live(shop_release(1), policy={"services": {"database": "sqlite"}})
    desired = shop_desired(live, config=shop_config(version=2), policy={**shop_policy(), "services": {"database": "postgresql"}})
    with pytest.raises(MigrationError, match="would look for them in"):
        judge_migrations(desired, Seat(FakeTransport(), live), lambda _line: None)
