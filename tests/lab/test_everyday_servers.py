"""Every verb on a site that lives on a server, and the work that goes on beside its pages."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time

import pytest
from deployed import LONG, eventually
from live_site import NUAGES


def rows(shop, query):
    """What PostgreSQL on the host answers the site's own user."""
    said = shop.host.must("runuser", "-u", "shop", "--", "psql", "-XAtc", query)
    return said.split()


# --- beside the pages -----------------------------------------------------------------------------------------


@pytest.mark.timeout(900)
def test_a_worker_finishes_its_job_over_a_deploy_and_nothing_runs_twice(shop):
    shop.bring("before the job")
    shop.get("/jobs", {"name": "long", "seconds": 15})
    eventually(lambda: rows(shop, "select count(*) from books_job where name = 'long' and started is not null") == ["1"])

    shop.bring("after the job began")
    for name in ("a", "b", "c"):
        shop.get("/jobs", {"name": name, "seconds": 0.1})

    eventually(lambda: rows(shop, "select count(*) from books_job where ended is null") == ["0"])
    assert rows(shop, "select distinct runs from books_job") == ["1"]
    assert rows(shop, "select second from books_tick group by 1 having count(*) > 1") == [], "two schedulers at once"
    assert int(rows(shop, "select extract(epoch from now())::int - max(second) from books_tick")[0]) < 60, "a scheduler lives"


def test_a_job_of_the_clock_runs_once_at_its_time(shop):
    def times():
        return [int(line) // 60 for line in shop.host.must("cat /srv/shop/shared/data/tidied").split()]

    eventually(times, within=150)
    assert len(times()) == len(set(times()))
    assert shop.host.must("stat -c %U /srv/shop/shared/data/tidied").strip() == "shop"


# --- the verbs ------------------------------------------------------------------------------------------------


def test_logs_are_of_all_processes_and_go_on(shop):
    told = shop.nuages("logs", "-n", "40").stdout
    assert {line.split()[0] for line in told.splitlines()} >= {"web", "worker", "beat"}

    following = shop.started("logs", "-f", "-n", "0", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        met = ""
        while "/fail" not in met and time.monotonic() < deadline:
            shop.get("/fail")
            if select.select([following.stdout], [], [], 2)[0]:
                met += os.read(following.stdout.fileno(), 1 << 16).decode()
    finally:
        following.kill()
        following.wait()
        following.stdout.close()
    assert "/fail" in met, met


def test_commands_run_as_the_sites_user_with_its_settings(shop):
    assert shop.nuages("run", "--", "sh", "-c", "id -un; id -u").stdout.split()[0] == "shop"
    assert "[X] 0001_initial" in shop.nuages("manage", "showmigrations", "books").stdout
    assert shop.nuages("run", "--", "sh", "-c", "exit 7", check=False).returncode == 7


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("shell", ["from books.models import Book; print('sum', 6 * 7)", "exit()"]),
        ("dbshell", ["select 'sum ' || 6 * 7;", r"\q"]),
    ],
)
def test_a_shell_has_a_terminal(shop, verb, words):
    ours, theirs = pty.openpty()
    client = subprocess.Popen(
        [str(NUAGES), verb], cwd=shop.root, env=shop.environment() | {"TERM": "dumb"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    met = conversation(ours, client, words)
    assert client.wait(60) == 0, met
    assert re.search(r"sum 42", met), met


def conversation(terminal, client, words):
    """Type each line when it has been quiet for a moment."""
    met, deadline = "", time.monotonic() + 120
    while client.poll() is None and time.monotonic() < deadline:
        if select.select([terminal], [], [], 3)[0]:
            try:
                met += os.read(terminal, 1 << 16).decode(errors="replace")
            except OSError:
                break
        elif words:
            os.write(terminal, words.pop(0).encode() + b"\r")
    os.close(terminal)
    return met


def test_variables_are_set_shown_and_taken_away(shop):
    shop.nuages("config", "set", "COLOUR=blue", "SHAPE=round")
    assert "blue" in shop.get("/variable/COLOUR").body
    assert "blue" not in shop.nuages("config").stdout
    assert shop.nuages("config", "get", "SHAPE").stdout.strip() == "round"
    shop.nuages("config", "unset", "COLOUR", "SHAPE")
    assert shop.get("/variable/COLOUR").body == "null"
    assert "blue" not in shop.host.must("cat /srv/shop/journal.jsonl /srv/shop/audit.jsonl; ps axww -o args")


def test_the_maintenance_page_comes_from_the_proxy_and_goes_again(shop):
    shop.nuages("maintenance", "on")
    page = shop.get("/")
    assert page.status == 503
    assert "retry-after" in page.headers
    assert "x-version" not in page.headers, "Django was asked"
    shop.nuages("maintenance", "off")
    assert shop.get("/").status == 200


def test_releases_are_listed_and_a_rollback_is_only_shown_where_asked(shop):
    shop.release()
    number = shop.status()["release"]
    assert f"v{number}" in shop.nuages("releases").stdout
    planned = shop.nuages("rollback", "--plan", check=False)
    assert planned.returncode == 2, planned.stderr
    assert "traffic" in planned.stdout, planned.stdout
    assert shop.status()["release"] == number


def test_the_exit_status_of_status_tells_a_stopped_site(shop):
    shop.release()
    before = shop.version()
    assert shop.nuages("status", check=False).returncode == 0
    shop.nuages("down")
    assert shop.nuages("status", check=False).returncode == 3
    assert shop.get("/").status in (502, 503)
    shop.nuages("start")
    assert shop.nuages("status", check=False).returncode == 0
    assert shop.version() == before
    shop.in_order()


def test_a_change_by_hand_is_drift_and_is_not_overwritten(shop):
    shop.release()
    path = "/etc/nginx/sites-available/shop.conf"
    assert shop.nuages("drift", check=False).returncode == 0
    shop.host.must(f"cp -p {path} /root/kept; echo '# by hand' >> {path}")
    try:
        drift = shop.nuages("drift", check=False)
        assert drift.returncode == 2
        assert path in drift.stdout + drift.stderr
        shop.bring("despite drift")
        assert "# by hand" in shop.host.must(f"tail -1 {path}")
    finally:
        shop.host.must(f"cp -p /root/kept {path}; rm /root/kept")
    assert shop.nuages("drift", check=False).returncode == 0


def test_the_whole_is_printed_as_plain_files(shop, tmp_path):
    shop.nuages("eject", "--to", tmp_path / "out")
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    for wanted in ("sites-available/shop.conf", "systemd/system/shop-web@.service", "systemd/system/shop-cron-tidy.timer"):
        assert any(name.endswith(wanted) for name in files), (wanted, files)
    private = re.compile("BEGIN (EC |RSA )?PRIVATE KEY")
    assert not [name for name in files if private.search((tmp_path / "out" / name).read_text(errors="replace"))]


@pytest.mark.timeout(LONG)
def test_who_did_what_is_kept(shop):
    shop.release()
    last = shop.nuages("audit").stdout.splitlines()[-1]
    assert "root" in last, last
