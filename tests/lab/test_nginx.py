"""nginx on a real host, as described: what it serves, what it refuses, and what a reload costs."""

from __future__ import annotations

import os
import re

import pytest
from carry_out import carry_out, run, undo
from lab_traffic import traffic
from lab_web import Web, wait_until

from nuages.components.web import describe_web
from nuages.topology.model import Tls


IMAGES = ("13", "12") if os.environ.get("NUAGES_FULL") else ("13",)
CA = ("--cacert", "/srv/shop/certificates/authority/ca.pem")
PROFILE = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
}  # fmt: skip


@pytest.fixture(scope="module", params=IMAGES)
def web(lab, request):
    (host,) = lab.up(f"nginx-{request.param}", image=request.param)
    host.must("apt-get install -y -q --no-install-recommends curl sslscan >/dev/null", timeout=400)
    web = Web(host, request.param, tls=Tls(certificate="local-ca"))
    web.serve()
    assert web.settle().ask
    assert web.settle().certificate.ready
    wait_until(lambda: web.get("https://shop.example/", *CA)[0] == 200)
    yield web
    lab.down(host.name)


def test_nothing_listens_but_sshd_and_the_proxy(web):
    ports = {line.split()[3].rpartition(":")[2] for line in web.host.must("ss -Hltn").splitlines()}
    assert ports == {"22", "80", "443"}


def test_http2_and_compressed_static_files(web):
    web.host.must("cd /srv/shop/shared/static && printf plain > a.0123456789ab.css && printf brotli > a.0123456789ab.css.br")

    heads = web.get("https://shop.example/static/a.0123456789ab.css", *CA, "-i", "--http2", "-H", "Accept-Encoding: br")[1]

    assert heads.startswith("HTTP/2 200")
    assert "immutable" in heads
    assert heads.endswith("brotli")


def test_a_scanner_finds_the_intermediate_profile_and_nothing_else(web):
    found = web.host.must("sslscan --no-colour --sni-name=shop.example 127.0.0.1:443", timeout=60)

    enabled = set(re.findall(r"(SSLv\d|TLSv1\.\d)\s+enabled", found))
    assert enabled == {"TLSv1.2", "TLSv1.3"}
    assert set(re.findall(r"(?:Accepted|Preferred)\s+TLSv1\.\d\s+\d+ bits\s+(\S+)", found)) <= PROFILE
    assert "Compression enabled" not in found
    assert "not vulnerable to heartbleed" in found
    # Whoever asks without a name, or for one that no site has, learns nothing.
    assert (
        "no peer certificate available"
        in web.host.run("openssl s_client -connect 127.0.0.1:443 -noservername </dev/null 2>&1").stdout
    )


def test_an_unknown_name_is_not_answered(web):
    assert web.host.run("curl -s -o /dev/null -w '%{http_code}' -H 'Host: evil.example' http://127.0.0.1/").stdout == "000"


def test_it_is_closed_in_and_still_may_all_that_it_needs(web):
    verdict = web.host.must("systemd-analyze security nginx.service").splitlines()[-1]
    assert float(verdict.split()[-3]) < 4, verdict
    assert "worker_connections 8192" in web.host.must("cat /etc/nginx/nginx.conf")
    limits = web.host.must("for p in $(pgrep -f 'nginx: worker'); do grep 'Max open files' /proc/$p/limits; done").split()
    assert int(limits[3]) > 2 * 8192  # as many as the outer machine allows
    assert web.host.must("stat -c '%a %U:%G' /var/log/nginx/shop.access.log").strip() == "640 www-data:adm"


def test_an_upload_larger_than_memory_buffers_arrives(web):
    web.host.must("head -c 30000000 /dev/zero > /opt/upload")
    assert '"bytes": 30000000' in web.get("https://shop.example/", *CA, "--data-binary", "@/opt/upload")[1]


def test_logs_turn_over_without_a_lost_line(web):
    web.get("https://shop.example/before", *CA)
    web.host.must("sleep 1.2; cd /var/log/nginx && mv shop.access.log shop.access.log.1 && kill -USR1 $(cat /run/nginx.pid)")
    wait_until(lambda: web.get("https://shop.example/after", *CA)[0] == 200)
    wait_until(lambda: "/after" in web.host.run("cat /var/log/nginx/shop.access.log").stdout)
    assert "/before" in web.host.must("cat /var/log/nginx/shop.access.log.1")


def test_a_change_of_its_configuration_is_checked_and_loses_no_request(web, tmp_path):
    (tmp_path / "ca.pem").write_text(web.host.must("cat /srv/shop/certificates/authority/ca.pem"))
    with traffic(f"https://{web.host.address}", host="shop.example", ca=tmp_path / "ca.pem") as seen:
        web.declare(tls=Tls(certificate="local-ca"), max_upload="50M")
        web.settle()
        wait_until(lambda: "50M" in web.host.must("nginx -T 2>/dev/null"))
        web.declare(tls=Tls(certificate="local-ca"))
        web.settle()

    assert seen.lost == 0, seen


def test_another_package_of_nginx_takes_over_without_a_lost_request(web, tmp_path):
    """Debian's package hands the sockets from the old program to the new one; the sandbox must allow that."""
    (tmp_path / "ca.pem").write_text(web.host.must("cat /srv/shop/certificates/authority/ca.pem"))
    before = web.host.must("cat /run/nginx.pid")
    with traffic(f"https://{web.host.address}", host="shop.example", ca=tmp_path / "ca.pem") as seen:
        web.host.must("DEBIAN_FRONTEND=noninteractive apt-get install -y -q --reinstall nginx >/dev/null", timeout=300)

    assert seen.lost == 0, seen
    assert web.host.must("cat /run/nginx.pid") != before
    assert web.host.must("systemctl is-active nginx").strip() == "active"


def test_a_configuration_that_nginx_refuses_is_found_before_it_is_told(web):
    web.host.must("echo 'oops;' > /etc/nginx/conf.d/oops.conf")
    verify = describe_web(web.placement, web.decide())[-1].verify

    assert "oops" in run(web.host, verify, "root", must=False).stderr

    web.host.must("rm /etc/nginx/conf.d/oops.conf")
    assert web.get("https://shop.example/", *CA)[0] == 200


def test_after_a_reboot_it_is_there_by_itself(web):
    web.host.must("systemctl restart nginx")
    assert web.get("https://shop.example/", *CA)[0] == 200
    assert web.host.must("systemctl is-enabled nginx").strip() == "enabled"


def test_destroy_takes_its_one_line_back(web):
    undo(web.host, *describe_web(web.placement, web.decide()))
    assert "worker_connections 768" in web.host.must("cat /etc/nginx/nginx.conf")
    carry_out(web.host, *describe_web(web.placement, web.decide()))
