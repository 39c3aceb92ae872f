"""nginx: what its files say for each kind of site. Each golden is put before the real program where it is installed."""

from __future__ import annotations

import pytest
from nginx_here import NGINX, NginxHere, has_brotli

from nuages.components.contract import Certificate
from nuages.components.proxy.nginx import Nginx, site_configuration
from nuages.components.proxy.urls import asked_of_the_project, local_path, media_path
from nuages.testing import shop_placement
from nuages.topology.model import Host, Tls


FACTS = {
    "static": {"url": "/static/"},
    "media": {"url": "/media/", "own_view": False},
    "urls": {"favicon": False, "robots": True},
    "middleware": [],
}
READY = Certificate("acme", True, "/etc/nuages/certs/shop/fullchain.pem", "/etc/nuages/certs/shop/privkey.pem")
NONE = Certificate("acme", note="the DNS of shop.example does not point here")
CASES = {
    "debian-12": (READY, {"os_version": "12"}),
    "debian-13": (READY, {}),
    "ubuntu-22.04": (READY, {"os": "ubuntu", "os_version": "22.04"}),
    "ubuntu-24.04": (READY, {"os": "ubuntu", "os_version": "24.04"}),
    "http-only": (NONE, {"os_version": "12"}),
    "own-port": (READY, {"os_version": "12", "port": 8443}),
    "websockets-and-a-trusted-balancer": (
        READY, {"os_version": "12", "interface": "asgi", "trusted_proxies": ("198.51.100.0/24",), "log_format": "json"},
    ),
    "no-domain-private-media-remote-static": (
        Certificate(),
        {"os_version": "12", "domains": (), "facts": {"static": {"url": "https://cdn.example/"}, "media": {"url": "/media/", "own_view": True}}},
    ),
}  # fmt: skip
RUNS_HERE = ("debian-12", "ubuntu-22.04", "ubuntu-24.04", "http-only", "own-port", "websockets-and-a-trusted-balancer",
             "no-domain-private-media-remote-static")  # fmt: skip


def described(case):
    certificate, values = CASES[case]
    placement = shop_placement(**{"facts": FACTS, **values})
    return (*Nginx().host(placement), Nginx().site(placement, certificate))


@pytest.mark.parametrize("case", CASES)
def test_the_files_of_a_host_are_the_golden_ones(case, golden):
    seen = set()
    for description in described(case):
        for file in description.files:
            if case == "debian-13" or "sites-available" in file.path or "conf.d" in file.path:
                golden(f"nginx-{case}{file.path}", file.content)
                seen.add(file.path)

    assert "/etc/nginx/sites-available/shop.conf" in seen


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize("case", RUNS_HERE)
def test_nginx_itself_is_content_with_them(case, tmp_path):
    if not has_brotli() and "22.04" not in case:
        pytest.skip("nginx's brotli modules are not installed")
    here = NginxHere(tmp_path, described(case))
    here.make_certificate("shop.example")
    snake_oil = here.path("/etc/ssl/certs/ssl-cert-snakeoil.pem"), here.path("/etc/ssl/private/ssl-cert-snakeoil.key")
    for path, made in zip(snake_oil, ("fullchain.pem", "privkey.pem"), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((here.path("/etc/nuages/certs/shop") / made).read_text())

    assert here.test() == ""


def test_a_site_on_a_port_of_its_own_leaves_80_and_443_to_others():
    text = "".join(file.content for description in described("own-port") for file in description.files)

    assert "listen 8443 ssl" in text
    assert "listen 80" not in text
    assert "listen 443" not in text
    assert [port.number for port in described("own-port")[-1].ports] == [8443]


def test_behind_a_server_that_speaks_tls_the_site_is_on_its_port():
    placement = shop_placement(facts=FACTS, port=8080, trusted_proxies=("127.0.0.1",), tls=Tls(certificate="none", enabled=True))
    text = site_configuration(placement, Certificate("none"))
    assert "listen 8080;" in text
    assert "proxy_set_header Host $host;" in text
    assert "proxy_set_header X-Forwarded-Port 443;" in text


def test_the_firewall_lets_https_in_only_once_it_is_spoken():
    assert [port.number for port in described("debian-13")[-1].ports] == [80, 443]
    assert [port.number for port in described("http-only")[-1].ports] == [80]


def test_two_sites_of_one_host_ask_the_same_of_what_they_share():
    one, other = (Nginx().host(shop_placement(name=name, domains=(f"{name}.example",))) for name in ("shop", "blog"))

    assert one == other


def test_the_names_of_two_sites_do_not_meet():
    text = site_configuration(shop_placement(name="blog-2", facts=FACTS), READY)

    assert "nuages_blog_2_cache" in text
    assert "shop_" not in text


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/static/", "/static/"), ("static/", "/static/"), ("/s", "/s/"), ("/", ""), ("", ""), (None, ""),
        ("https://cdn.example/static/", ""), ("https://shop.example/static/", "/static/"), ("/a b/", ""), ("/x;}/", ""),
    ],
)  # fmt: skip
def test_a_folder_of_files_is_on_this_site_below_its_root_or_not_served(url, path):
    assert local_path(url, ("shop.example",)) == path


def test_uploads_are_left_to_the_project_unless_it_is_known_that_it_does_not_look_after_them():
    assert media_path({"media": {"url": "/media/", "own_view": False}}, ()) == "/media/"
    assert media_path({"media": {"url": "/media/", "own_view": True}}, ()) == ""
    assert media_path({"media": {"url": "/media/"}}, ()) == ""


def test_a_project_that_may_have_a_favicon_of_its_own_is_asked():
    assert asked_of_the_project({}) == {"favicon.ico": True, "robots.txt": True}
    assert asked_of_the_project({"urls": {"favicon": False, "robots": False}}) == {"favicon.ico": False, "robots.txt": False}
    fallback = {"urls": {"robots": False}, "middleware": ["django.contrib.flatpages.middleware.FlatpageFallbackMiddleware"]}
    assert asked_of_the_project(fallback)["robots.txt"] is True


def test_without_a_domain_the_site_answers_to_the_names_of_its_host():
    text = site_configuration(shop_placement(domains=(), host=Host("web-1", "2001:db8::1")), Certificate())

    assert "server_name [2001:db8::1] web-1;" in text
