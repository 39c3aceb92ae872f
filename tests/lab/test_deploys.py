"""Deploys to a server, with visitors on it: nobody is lost, and what fails leaves the site as it was and says why."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import subprocess
from pathlib import Path

import pytest
from deployed import CRON, LONG, eventually

from nuages.lab.faults import FillDisk, FreeDisk


# --- from a bare host on --------------------------------------------------------------------------------------


def test_a_bare_host_answers_over_https_after_the_first_deploy(shop):
    assert "is live at https://shop.example/" in shop.told or not shop.told
    answer = shop.get("/whoami")
    assert answer.status == 200
    assert '"secure": true' in answer.body
    assert '"uid": 0' not in answer.body
    assert "strict-transport-security" not in answer.headers, "never with an authority of our own"
    plain = http.client.HTTPConnection(shop.host.address, timeout=20)
    plain.request("GET", "/a?b", headers={"Host": "shop.example"})
    answer = plain.getresponse()
    assert (answer.status, answer.getheader("Location")) == (301, "https://shop.example/a?b")
    plain.close()


def test_a_deploy_of_what_is_live_has_no_steps_and_writes_nothing(shop):
    shop.release()
    before = written(shop)

    said = shop.nuages("deploy").stdout

    assert said.startswith("nothing to do: ")
    assert written(shop) == before


def written(shop):
    """When each file of the host's own and of the site was last written or changed; not what its processes write."""
    apart = r"/srv/shop/(logs|shared/data|run/state)|/etc/(mtab|resolv.conf)"
    listed = shop.host.must(r"find /etc /srv /var/lib/nuages /usr -xdev -printf '%p %T@ %C@ %s %m %U\n'")
    return [line for line in listed.splitlines() if not re.match(apart, line)]


# --- with visitors --------------------------------------------------------------------------------------------


def a_code_deploy(shop):
    shop.bring("code")
    assert shop.version() == "code"


def a_changed_variable(shop):
    shop.nuages("config", "set", "GREETING=hello there")
    assert "hello there" in shop.get("/variable/GREETING").body


def more_web_processes(shop):
    shop.nuages("scale", "web=3", "worker=2")
    assert len([p for p in shop.status()["processes"] if p["kind"] == "worker"]) == 2
    shop.nuages("scale", "web=2", "worker=1")


def a_rollback(shop):
    before = shop.version()
    shop.bring("worse")
    shop.nuages("rollback")
    assert shop.version() == before
    shop.project.version(before)


def a_restart(shop):
    shop.nuages("restart")


def a_certificate_made_anew(shop):
    before = serial(shop)
    shop.host.must("cd /srv/shop/certificates && python3 -I -S certificate.py renew certificate.json --force")
    eventually(lambda: serial(shop) != before)


def another_upload_limit(shop):
    shop.toml(more='keep = 3\n[serve]\nmax_upload = "30M"', tables=CRON)
    shop.nuages("deploy")
    assert "client_max_body_size 30" in shop.host.must("cat /etc/nginx/sites-available/shop.conf")
    shop.toml(more="keep = 3", tables=CRON)


def nginx_installed_again(shop):
    install = (
        "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --reinstall -o Dpkg::Options::=--force-confold nginx nginx-common"
    )
    shop.host.must(install, timeout=400)


def serial(shop):
    show = "openssl s_client -connect 127.0.0.1:443 -servername shop.example </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return shop.host.must(show)


CHANGES = [
    a_code_deploy,
    a_changed_variable,
    more_web_processes,
    a_rollback,
    a_restart,
    a_certificate_made_anew,
    another_upload_limit,
    nginx_installed_again,
]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_no_visitor_is_lost_over(shop, change):
    with shop.traffic() as seen:
        change(shop)

    assert seen.lost == 0, seen
    assert min(seen.report.sent[kind] for kind in ("new", "keepalive", "slow", "upload")), seen
    shop.in_order()


# --- what fails -----------------------------------------------------------------------------------------------

FAILS = """
from django.db import migrations


def fails(apps, schema_editor):
    raise ValueError("no such shelf")


class Migration(migrations.Migration):
    dependencies = [("books", "LAST")]
    operations = [migrations.RunPython(fails)]
"""
NOTHING_ELSE = {"books/versioned.py": "def versioned(get_response):\n    return lambda request: 1 / 0\n"}
BROKEN = {
    "an error at import": ({"books/views.py": "import no_such_module\n"}, "no_such_module"),
    "an answer of 500": (NOTHING_ELSE, "answered 500"),
    "an error in a template": ({"books/templates/books/home.html": "{% nonsense %}\n"}, "answered 500"),
    "a migration that fails": ({"books/migrations/0999_fails.py": FAILS}, "no such shelf"),
}


@pytest.mark.timeout(1200)
def test_a_release_that_cannot_live_is_refused_with_the_reason_and_no_visitor_is_lost(shop):
    shop.release()
    before = shop.version(), shop.status()["release"]
    with shop.traffic() as seen:
        for fault, (files, reason) in BROKEN.items():
            last = max(path.stem for path in (shop.root / "books/migrations").glob("0*.py"))
            with changed(shop, {path: text.replace("LAST", last) for path, text in files.items()}):
                said = shop.refused()
            assert re.search(reason, said), f"{fault}: {said}"
            assert re.search("still serves|nothing was", said) or fault == "an error at import", f"{fault}: {said}"
            assert (shop.version(), shop.status()["release"]) == before, fault
            shop.in_order()
        shop.bring("mended")

    assert shop.version() == "mended"
    assert seen.lost == 0, seen


@contextlib.contextmanager
def changed(shop, files):
    """The project with these files, and as it was again."""
    kept = {path: (shop.root / path).read_text() if (shop.root / path).exists() else None for path in files}
    shop.project.write(**files)
    yield
    shop.project.write(**kept)


def test_a_full_disk_stops_a_deploy_and_the_next_one_succeeds(shop):
    shop.release()
    before = shop.version()
    big = {"books/static/books/big.bin": os.urandom(3 << 20).hex()}
    with shop.traffic(uploads=0) as seen:
        shop.host.fault(FillDisk(leave=2 << 20))
        with changed(shop, big):
            said = shop.refused()
        assert shop.version() == before
        shop.host.fault(FreeDisk())
        shop.bring("room again")

    print(said)
    assert re.search("No space left on device|disk is full", said), said
    assert seen.lost == 0, seen
    shop.in_order()


def test_no_way_to_the_package_index_stops_a_deploy_before_anything_is_touched(shop, tmp_path):
    shop.release()
    before = written(shop)
    nowhere = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"), "http://127.0.0.1:9/simple")
    given = (shop.root / "requirements.txt").read_text()
    with changed(shop, {"requirements.txt": given + "itsdangerous\n"}):
        said = shop.refused(**nowhere, UV_CACHE_DIR=str(tmp_path), UV_HTTP_RETRIES="0")

    assert re.search("127.0.0.1:9", said), said
    assert written(shop) == before
    assert shop.nuages("deploy").stdout.startswith("nothing to do: ")


def test_a_wrong_sudo_password_is_said_once_and_the_right_one_deploys(shop):
    shop.release()
    before = shop.version()
    toml = (shop.root / "nuages.toml").read_text()
    with changed(shop, {"nuages.toml": toml.replace("ssh_config =", 'user = "ops"\nssh_config =')}):
        shop.project.version("by ops")
        assert "sudo does not take this password" in shop.refused(NUAGES_SUDO_PASSWORD="wrong")
        assert shop.version() == before
        shop.environ["NUAGES_SUDO_PASSWORD"] = "ops"
        shop.release()

    assert shop.version() == "by ops"


def test_another_host_key_is_refused_and_the_right_one_deploys(shop, tmp_path):
    shop.release()
    key = base64.b64encode(base64.b64decode(shop.host.public_host_key.split()[1])[:-32] + bytes(32)).decode()
    (tmp_path / "known").write_text(f"{shop.host.name},{shop.host.address} ssh-ed25519 {key}\n")
    config = tmp_path / "config"
    config.write_text(Path(shop.host.ssh_config).read_text().replace(shop.host.known_hosts, str(tmp_path / "known")))
    toml = (shop.root / "nuages.toml").read_text()
    with changed(shop, {"nuages.toml": toml.replace(shop.host.ssh_config, str(config))}):
        said = shop.refused()

    assert re.search("the host's key has CHANGED", said), said
    shop.bring("the right key")
    assert shop.version() == "the right key"


def test_who_comes_second_hears_who_deploys_and_the_first_goes_on(shop):
    shop.release()
    shop.project.version("the first")
    first = shop.started("deploy", stdout=subprocess.DEVNULL)
    eventually(lambda: shop.host.run(f"test -e {shop.home}/lock.json").ok)
    said = shop.refused("restart")
    assert first.wait(LONG) == 0

    assert re.search(r"\(pid \d+\) has been running `nuages deploy`", said), said
    assert shop.version() == "the first"
    shop.nuages("restart")
    shop.in_order()
