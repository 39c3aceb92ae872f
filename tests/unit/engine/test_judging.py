"""What is asked of a database that comes with the plan itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nuages.components.contract import Description
from nuages.engine.judge import Asking, _comes, judge_migrations
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


def moved_to(database: str, was: str, **env: str) -> tuple[object, ...]:
    live = shop_live(shop_release(1), policy={"services": {"database": was}})
    policy = {**shop_policy(), "services": {"database": database}}
    desired = shop_desired(live, config=shop_config(version=2, env=env), policy=policy)
    return judge_migrations(desired, Seat(FakeTransport(), live), lambda _line: None)


@pytest.mark.parametrize(("was", "wanted"), [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("none", "postgresql")])
def test_a_release_that_would_go_live_on_empty_tables_is_stopped(was, wanted):
    with pytest.raises(MigrationError, match="would look for them in") as raised:
        moved_to(wanted, was)
    assert "nuages db convert" in raised.value.hint


def test_whoever_names_a_database_knows_where_the_rows_are():
    with pytest.raises(Exception) as raised:  # it goes on to ask, which this host does not answer
        moved_to("none", "postgresql", DATABASE_URL="postgresql://u@db.example/d")
    assert "would look for them" not in str(raised.value)
