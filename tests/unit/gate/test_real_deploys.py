"""What a deploy to a server really sends is let through: whoever changes a plan hears of the gate here, and not on a server."""

import json

import pytest
from gate_module import beneath, contents, writing

from nuages.components.contract import Machine
from nuages.components.supervisor import version_of
from nuages.components.supervisor.systemd import Systemd
from nuages.engine.plan import make_plan
from nuages.migrations.model import Judgement, Operation, Pending
from nuages.settings.configuration import Configuration
from nuages.testing import (
    WEB_1,
    shop_build,
    shop_config,
    shop_desired,
    shop_live,
    shop_policy,
    shop_release,
    shop_supervisor,
    shop_topology,
)


TOPOLOGY = shop_topology(hosts=(WEB_1,), supervisor="systemd", server="granian", domains=("shop.example",), keep=2)
PROCESSES = [
    {"name": "worker", "kind": "worker", "command": "celery -A shop worker", "source": "Procfile"},
    {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile"},
    {"name": "release", "kind": "release", "command": "./notify", "source": "Procfile"},
]
MACHINE = Machine(2, 4 * 2**30, "/usr/bin/python3", "3.13.5", os="debian", os_version="13", arch="x86_64", libc="glibc 2.41")
UNITS = [f"/etc/systemd/system/shop-{name}@.service" for name in ("web", "worker", "beat")]


@pytest.fixture
def site(tmp_path):
    site = beneath.Site({"site": "shop", "account": "shop", "dir": "/srv/shop"}, "ci")
    site.root = str(tmp_path)
    (tmp_path / "var/lib/nuages").mkdir(parents=True)
    ledger = {"schema": 1, "files": {path: {"for": "shop"} for path in UNITS}}
    (tmp_path / "var/lib/nuages/ledger.json").write_text(json.dumps(ledger))
    return site


def live_on(*releases, **values):
    seen = {"schema": 1, "name": "shop", "root": "", "port": 443}
    supervisor = {**shop_supervisor(f"v{releases[-1]['number']}-aaaa", "/srv/shop/run/web.sock")}
    programs = version_of(Systemd.programs)
    return shop_live(
        *releases, **{"site": seen, "programs": programs, "supervisor": supervisor, "host": WEB_1, "machine": MACHINE, **values}
    )


def desired_of(live, build="b9", **how):
    made = shop_build(build, processes=PROCESSES, static_files=3, writable=["media"], commit="c0ffee11aa")
    config = shop_config(version=2, env={"A": "x\ny"}, files={"keys/a.json": "{}"}, why="set A")
    return shop_desired(
        live,
        made,
        config,
        topology=TOPOLOGY,
        policy=shop_policy(made, port=443, domains=["shop.example"], static_root=str(made.path / "static")),
        **how,
    )


def pending(name, phase, verdict="safe"):
    return Pending("shop", name, (Operation(name, verdict, "why"),), verdict, phase)


LIVE = live_on(
    *(shop_release(n, f"b{n}") for n in (1, 2, 3)), snapshots=tuple(f"v{n}-ab-before-default.dump" for n in range(1, 8))
)
MIGRATIONS = (
    (),
    (Judgement(pending=(pending("0002_a", "before"), pending("0003_b", "after", "destroy")), snapshot=True),),
    (Judgement(pending=(pending("0002_c", "window", "break"),), snapshot=True),),
)


@pytest.mark.parametrize("judgements", MIGRATIONS)
def test_code_configuration_and_migrations(site, judgements):
    plan = make_plan(desired_of(LIVE), LIVE, judgements)
    assert [step.what for step in plan.steps]
    assert told(site, plan) == []


def test_a_rollback(site):
    plan = make_plan(desired_of(LIVE, "b2", back_to=2, why="rollback to v2"), LIVE)
    assert told(site, plan) == []


def test_what_an_interrupted_deploy_left(site):
    live = live_on(
        shop_release(1, "b1"), page_left=True, maintenance=True, unfinished={"number": 1, "alias": "default", "after": ["a.0002"]}
    )
    assert told(site, make_plan(desired_of(live), live)) == []


def told(site, plan):
    steps = [{"text": str(step), "ops": list(step.ops), "undo": list(step.undo)} for step in plan.steps]
    return writing.refused(site, json.loads(json.dumps(steps)))


def test_every_field_of_a_configuration_is_known(site):
    whole = Configuration(
        version=12345, env={"A": "x"}, scale={"web": 2}, secret_key="k", secret_key_fallbacks=("j",), why="w", quiet=True
    )
    contents.config(site, json.dumps(whole.as_dict()), 12345)


def test_a_new_program_of_the_supervisor_is_a_persons(site):
    live = live_on(shop_release(1, "b1"), programs="older")
    refused = told(site, make_plan(desired_of(live), live))
    assert len(refused) == 1
    assert "systemd-ctl" in refused[0][0]
