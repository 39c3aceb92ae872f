"""The client is killed, the host goes off: the site answers with the old release or the new one, and the next run completes.

By default a few of the moments; NUAGES_FULL=1 takes every one.
"""

from __future__ import annotations

import json
import subprocess

import pytest
from deployed import LONG, Deployed, eventually
from live_site import FULL

from nuages.lab.faults import PowerOff, PowerOn, Reboot


MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("books", "{before}")]
    operations = [migrations.AddField("Book", "{field}", models.CharField(max_length=9, null=True))]
"""
STEPS = range(1, 40) if FULL else (1, 3, 5, 7)
MOMENTS = range(1, 40) if FULL else (4,)


def changed(shop, number):
    """Code, a variable and a migration: a deploy with most kinds of steps."""
    earlier = max(path.stem for path in (shop.root / "books/migrations").glob("0*.py"))
    field = f"shelf_{int(earlier[:4]) + 1:04d}"
    name = f"{field[-4:]}_{field}"
    shop.project.write(**{f"books/migrations/{name}.py": MIGRATION.format(before=earlier, field=field)})
    models = (shop.root / "books/models.py").read_text()
    added = f"    title = models.CharField(max_length=200)\n    {field} = models.CharField(max_length=9, null=True)\n"
    shop.project.write(**{"books/models.py": models.replace("    title = models.CharField(max_length=200)\n", added, 1)})
    shop.project.version(f"step {number}")


@pytest.mark.timeout(900 if not FULL else 7200)
def test_a_client_killed_at_any_step_loses_no_visitor_and_the_next_run_completes(shop):
    shop.release()
    with shop.traffic(seconds=7000) as seen:
        for number in STEPS:
            before = shop.version()
            changed(shop, number)
            step = shop.broken_off(number, whole=number % 4 != 1)
            assert shop.version() in (before, f"step {number}"), step
            shop.goes_on()
            assert shop.version() == f"step {number}", step
            shop.in_order()
            if not step:
                break

    assert seen.lost == 0, seen


@pytest.mark.timeout(900 if not FULL else 7200)
def test_a_host_that_loses_its_power_comes_back_by_itself_and_the_next_run_completes(shop):
    shop.release()
    for number in MOMENTS:
        before = shop.version()
        changed(shop, 100 + number)
        deploy = power_fails(shop, number)
        said = deploy.communicate(timeout=LONG)[1]
        shop.host.fault(PowerOn())
        assert deploy.returncode in (0, 1), said
        assert "Traceback" not in said
        assert eventually(shop.version) in (before, f"step {100 + number}"), said
        shop.goes_on()
        assert shop.version() == f"step {100 + number}", said
        shop.in_order()


def power_fails(shop, after):
    """The host goes off when this step of a deploy begins, or after its end."""
    deploy = shop.started("deploy", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    begun = 0
    for line in deploy.stdout:
        begun += json.loads(line)["event"] == "begin"
        if begun == after:
            break
    shop.host.fault(PowerOff())
    return deploy


@pytest.mark.timeout(1200)
def test_after_a_reboot_each_name_has_its_own_site(shop, tmp_path):
    shop.release()
    other = Deployed(tmp_path, shop.host, name="cafe", domain="cafe.example")
    other.project.version("cafe")
    other.release()
    with_both = shop.version(), other.version()

    shop.host.fault(Reboot())
    shop.host.wait(120)

    assert eventually(lambda: (shop.version(), other.version()), within=120) == with_both
    assert eventually(lambda: {p["state"] for p in shop.status()["processes"]} == {"running"})
    assert shop.nuages("deploy").stdout.startswith("nothing to do: ")
    other.nuages("destroy", "--yes", "cafe", "--with-data")
    assert shop.version() == with_both[0]
    assert shop.host.run("test -e /srv/cafe").status != 0
    shop.in_order()
