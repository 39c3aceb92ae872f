"""Certificates on a real host, from a real ACME authority (pebble): asked for, renewed under traffic, and spared."""

from __future__ import annotations

import os
import re

import pytest
from lab_traffic import traffic
from lab_web import Authority, Web, wait_until

from nuages.components.certificates.own import Given
from nuages.components.web import notes, tls_policy
from nuages.topology.model import Tls


IMAGES = ("13", "12") if os.environ.get("NUAGES_FULL") else ("13",)
DAY = 86400


@pytest.fixture(scope="module", params=IMAGES)
def web(lab, request):
    (host,) = lab.up(f"certs-{request.param}", image=request.param)
    host.must("apt-get install -y -q --no-install-recommends pebble curl openssl certbot nginx >/dev/null", timeout=400)
    web = Web(host, request.param)
    web.authority = Authority(host)
    web.authority.start()
    web.declare(tls=Tls(acme_server=Authority.URL, acme_ca="ca.pem", hsts_seconds=DAY * 365))
    web.given = Given(ca=web.authority.ca)
    web.serve()
    yield web
    lab.down(host.name)


def served_serial(web):
    show = "openssl s_client -connect 127.0.0.1:443 -servername shop.example </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return web.host.run(show).stdout.strip()


def answers(web, url, *options):
    return web.get(url, *options)[0] == 200


def orders(web):
    return web.host.run("journalctl -u pebble --no-pager").stdout.count("New order")


# The tests of this file are one story, in this order.


def test_a_name_that_leads_elsewhere_is_served_over_http_and_no_authority_is_asked(web):
    web.authority.point("shop.example", "198.18.0.99")

    decision = web.settle(web.given)

    assert "points to 198.18.0.99, not to this host" in notes(web.placement.topology, decision)[0]
    wait_until(lambda: answers(web, "http://shop.example/"))
    assert orders(web) == 0
    assert "certbot" not in web.host.must("ls /srv/shop")


def test_an_authority_that_is_down_leaves_the_site_served_and_is_spared_for_an_hour(web):
    web.authority.point("shop.example", web.host.address)
    web.authority.fall_silent()

    assert web.settle(web.given).ask
    decision = web.decide()

    assert (decision.ask, decision.certificate.ready) == (False, False)
    assert re.search("the authority said no once: .*localhost can't be reached.*asked again after", decision.certificate.note)
    assert answers(web, "http://shop.example/")
    assert tls_policy(web.placement.topology, decision)["enabled"] is False


def test_an_authority_that_cannot_reach_the_site_says_why(web):
    web.authority.answer()
    web.host.must("rm /srv/shop/certificates/attempts.json; mv /srv/shop/run/web.sock /srv/shop/run/aside; systemctl stop nginx")
    web.host.must("/usr/bin/python3 -I -S /srv/shop/certificates/certificate.py issue /srv/shop/certificates/certificate.json")

    decision = web.decide()

    web.host.must("mv /srv/shop/run/aside /srv/shop/run/web.sock; systemctl start nginx")
    assert "refused" in decision.certificate.note


def test_once_the_authority_answers_the_site_moves_to_https(web):
    web.host.must("rm /srv/shop/certificates/attempts.json")  # an hour later

    assert web.settle(web.given).ask
    decision = web.settle(web.given)

    assert (decision.ask, decision.certificate.ready, decision.notes) == (False, True, ())
    wait_until(lambda: answers(web, "https://shop.example/", "-k"))
    web.authority.root()
    headers = web.headers("https://shop.example/", "--cacert", "/opt/pebble/root.pem")
    assert headers["x-forwarded-proto"] == "https"
    assert web.get("http://shop.example/a?b")[0] == 301
    assert web.host.must("stat -Lc '%a %U' /etc/nuages/certs/shop/privkey.pem").strip() == "600 root"
    assert decision.seen.proved, "a renewal was tried after the first certificate"
    assert tls_policy(web.placement.topology, decision)["hsts_seconds"] == 300
    assert tls_policy(web.placement.topology, decision, DAY)["hsts_seconds"] == DAY * 365


def test_a_look_at_a_certificate_that_fits_asks_no_dns_and_changes_nothing(web):
    seen = web.look()

    assert (seen.addresses, seen.answers) == ((), {})
    assert web.settle(web.given).ask is False


def test_the_timer_renews_in_its_sandbox_under_traffic_and_nothing_is_lost(web, tmp_path):
    (tmp_path / "root.pem").write_text(web.authority.root())
    before = served_serial(web)
    web.host.must("sed -i '1i renew_before_expiry = 20 years' /srv/shop/certificates/certbot/renewal/shop.conf")

    with traffic(f"https://{web.host.address}", host="shop.example", ca=tmp_path / "root.pem") as seen:
        web.host.must("systemctl start shop-certificate.service")
        wait_until(lambda: served_serial(web) != before)
        web.host.must("systemctl start shop-certificate.service")

    assert seen.lost == 0, seen
    assert seen.ok > 100
    web.host.must("sed -i '/renew_before_expiry/d' /srv/shop/certificates/certbot/renewal/shop.conf")


def test_a_renewal_that_fails_is_a_failed_unit_and_a_note_and_the_site_stays(web):
    web.authority.fall_silent()
    before = served_serial(web)
    web.host.must("sed -i '1i renew_before_expiry = 20 years' /srv/shop/certificates/certbot/renewal/shop.conf")

    assert not web.host.run("systemctl start shop-certificate.service").ok
    assert "renewing the certificate failed: localhost can't be reached" in web.decide().notes[0]
    assert served_serial(web) == before


def test_neighbours_that_certbot_looks_after_are_not_touched(web):
    assert web.host.run("ls -A /etc/letsencrypt 2>/dev/null").stdout.split() in ([], ["cli.ini"])


def test_an_authority_of_our_own_takes_over_and_whoever_trusts_it_is_served(web):
    web.declare(tls=Tls(certificate="local-ca"), domains=("shop.example",))

    web.settle()
    decision = web.settle()

    assert decision.certificate.ready
    wait_until(lambda: answers(web, "https://shop.example/", "--cacert", "/srv/shop/certificates/authority/ca.pem"))
    serial = served_serial(web)
    web.host.must("systemctl start shop-certificate.service")
    assert served_serial(web) == serial, "not due yet"
