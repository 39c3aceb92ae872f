"""What is asked of a database that comes with the plan itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nuages.components.contract import Description
from nuages.engine.judge import Asking, _comes
from nuages.hosts.fake import FakeTransport
from nuages.testing import shop_desired, shop_live, shop_release


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
