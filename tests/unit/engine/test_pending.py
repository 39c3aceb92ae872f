"""When a deploy may be sure, without asking Django on the host, that no migration is pending."""

import json
from dataclasses import replace

import pytest

from nuages.components.contract import Machine
from nuages.engine.model import Seat
from nuages.engine.pending import has_all
from nuages.release.build import MIGRATIONS
from nuages.release.layout import store_layout
from nuages.testing import FakeTransport, shop_build, shop_desired, shop_live, shop_release, shop_topology
from nuages.topology.model import Host


NAMES = ["auth.0001_initial", "shop.0001_initial", "shop.0002_pages"]
DEBIAN = Machine(os="debian", os_version="13", cores=2, memory=4 << 30)
OURS = {"engine": "django.db.backends.postgresql", "name": "shop", "options": ["pool"]}


@pytest.fixture
def topology(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    topology = shop_topology(hosts=(Host("web-1", "192.0.2.11"),), supervisor="systemd", domains=("shop.example",))
    build = store_layout(topology).build("b2")
    build.mkdir(parents=True)
    (build / MIGRATIONS).write_text(json.dumps({"names": NAMES}))
    return topology


def is_sure(topology, *, graph="g1", lives="g1", applied=NAMES, status=0, default=OURS, more=(), **how):
    live = shop_live(shop_release(1), machine=DEBIAN, manifest={"graph": lives})
    facts = {"databases": {"default": default, **dict(more)}}
    desired = shop_desired(live, shop_build("b2", graph=graph, facts=facts), topology=topology, **how)
    answers = {"applied": {"status": status, "stdout": "".join(f"{name}\n" for name in applied)}}
    return has_all(desired, Seat(FakeTransport(), live, answers=answers))


def test_the_same_migrations_as_live_and_all_of_them_applied(topology):
    assert is_sure(topology)
    assert is_sure(topology, applied=[*NAMES, "gone.0001_initial"])


def test_one_that_somebody_took_back_by_hand_is_pending(topology):
    assert not is_sure(topology, applied=NAMES[:-1])


def test_other_migrations_than_the_live_release_had_are_for_django_to_judge(topology):
    assert not is_sure(topology, graph="g2")
    assert not is_sure(topology, graph="", lives="")


def test_a_database_that_does_not_answer_tells_nothing(topology):
    assert not is_sure(topology, status=2)


def test_only_the_one_database_that_we_made_is_read_past_django(topology):
    assert not is_sure(topology, more={"logs": OURS})
    assert not is_sure(topology, default={**OURS, "engine": "django_tenants.postgresql_backend"})
    assert not is_sure(topology, default={**OURS, "name": "other"})
    assert not is_sure(topology, default={**OURS, "options": ["options"]})


def test_a_rollback_is_compared_with_the_tables(topology):
    assert not is_sure(topology, back_to=1)


def test_a_build_of_another_machine_is_asked_about(topology):
    assert not is_sure(replace(topology, name="elsewhere"))
