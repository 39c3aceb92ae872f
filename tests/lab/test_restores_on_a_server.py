"""A database put back on a server that serves: checked beside it, swapped, and on its old data whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from deployed import eventually


@pytest.fixture
def dumped(shop, tmp_path):
    """(the shop, its dump, the books of the dump, the books that it has now)."""
    dump = tmp_path / "shop.tar"
    shop.get("/books", {"title": "in the dump"})
    then = json.loads(shop.get("/books").body)
    shop.nuages("db", "backup", dump)
    shop.get("/books", {"title": "newer"})
    return shop, dump, then, json.loads(shop.get("/books").body)


def leave(shop):
    """No replaced database for the stories after this one."""
    kept = [row["name"] for row in json.loads(shop.nuages("db", "list", "--json").stdout)["kept"]]
    if kept:
        shop.nuages("db", "drop", "--yes", *kept)
    shop.in_order()


def test_visitors_meet_the_old_data_the_page_for_a_moment_and_then_the_new(dumped):
    shop, dump, then, now = dumped
    with shop.traffic() as seen:
        shop.nuages("db", "restore", dump, "--yes")
    assert all("503" in what for what in seen.report.lost), seen
    assert json.loads(shop.get("/books").body) == then
    shop.nuages("db", "restore", "--undo", "--yes")
    assert json.loads(shop.get("/books").body) == now
    assert json.loads(shop.get("/books", {"title": "next"}).body)[-1] == "next"
    leave(shop)


@pytest.mark.parametrize("step", [1, 2, 3] if os.environ.get("NUAGES_FULL") else [3])
def test_whatever_is_killed_on_the_server_the_site_is_on_its_old_data_or_the_new(dumped, step):
    shop, dump, then, now = dumped
    client = shop.started("db", "restore", dump, "--yes", "--json", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    begun = 0
    for line in client.stdout:
        begun += json.loads(line)["event"] == "begin"
        if begun == step:
            time.sleep(0.3)
            # The agent, our program, and what it has started; not the database's own processes.
            shop.host.run(
                "kill -9 $(cat /srv/shop/writing); pkill -9 -f databases.p[y]; pkill -9 -x pg_restore; pkill -9 -x psql; true"
            )
            os.killpg(client.pid, signal.SIGKILL)
            break
    client.wait(60)
    client.stdout.close()
    eventually(lambda: not json.loads(shop.nuages("lock", "--json", check=False).stdout or "{}").get("writing"))
    shop.nuages("maintenance", "off")
    found = json.loads(eventually(lambda: shop.get("/books")).body)
    assert found == now or (step == 3 and found == then)
    shop.nuages("db", "restore", dump, "--yes")
    assert json.loads(shop.get("/books").body) == then
    leave(shop)
