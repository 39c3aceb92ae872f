"""Real hosts for stories. `lab_host("web-1")` boots one in about a second; it is gone when the test is."""

from __future__ import annotations

import os

import deployed
import pytest

from nuages.lab import Lab
from nuages.lab.requirements import missing


# `make test` stays under 20 minutes: these run where they are named, or with NUAGES_FULL=1, which `make lab` sets.
LONG = {
    "test_restores_on_a_server.py",
    "test_deploy_key.py",
    "test_certificates.py",
    "test_dashboard.py",
    "test_data.py",
    "test_database.py",
    "test_doctor.py",
    "test_days.py",
    "test_interruptions.py",
    "test_lab_leaves_nothing.py",
    "test_mdn_heroku.py",
    "test_migrations_on_servers.py",
    "test_nginx.py",
    "test_occupied.py",
    "test_pipeline.py",
    "test_rebuild.py",
    "test_shipping.py",
    "test_small_host.py",
    "test_three_deploy_at_once.py",
    "test_tutorial.py",
    "test_two_environments.py",
}


def pytest_collection_modifyitems(config, items):
    what, hint = missing()
    named = " ".join(config.args)
    for item in items:
        if "/tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)
            if what:
                item.add_marker(pytest.mark.skip(reason=f"{what} ({hint})" if hint else what))
            elif item.path.name in LONG and item.path.name not in named and not os.environ.get("NUAGES_FULL"):
                item.add_marker(pytest.mark.skip(reason="a long story: make lab"))


@pytest.fixture(scope="session")
def lab():
    """This session's own lab. When the session is killed, the lab's watcher takes it away."""
    with Lab(f"tests-{os.getpid()}", owner=True) as lab:
        yield lab


@pytest.fixture
def lab_host(lab):
    """A factory of fresh hosts: `lab_host("web-1", image="12", disk="1G")`. Each name once in a test."""
    names = []

    def boot(name="web-1", **options):
        names.append(name)
        return lab.up(name, **options)[0]

    yield boot
    if names:
        lab.down(*names)


@pytest.fixture(scope="session")
def shared_shop(lab, tmp_path_factory):
    return deployed.shop_of(lab, tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(shared_shop):
    """A shop that lives on a host already, with a worker, a beat and a job of the clock. Each story leaves it serving and in
    order, at whatever release."""
    yield shared_shop
    shared_shop.environ.clear()
