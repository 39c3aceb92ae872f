"""What every proxy must keep, whichever it is: asked of the real program on this machine, with a stand-in for the project."""

from __future__ import annotations

import gzip
import os
import re
import socket
import ssl
import time

import pytest
from nginx_here import NGINX, NginxHere, has_brotli

from nuages.components.contract import Certificate
from nuages.components.registry import PROXIES, proxy
from nuages.testing import shop_placement


pytestmark = pytest.mark.skipif(NGINX is None or not has_brotli(), reason="nginx with its brotli modules is not installed")
HERE = {"nginx": NginxHere}
STATIC, MEDIA = "/srv/shop/shared/static", "/srv/shop/shared/media"
FACTS = {
    "static": {"url": "/static/"},
    "media": {"url": "/media/", "own_view": False},
    "urls": {"favicon": False, "robots": False},
    "middleware": [],
}
READY = Certificate("own", True, "/etc/nuages/certs/shop/fullchain.pem", "/etc/nuages/certs/shop/privkey.pem")


def protecting(head, body):
    """A view that lets uploads through by X-Accel, and otherwise tells what it was asked."""
    path = head.split(b" ")[1].decode()
    if path.startswith("/download/"):
        return b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /-/protected/%s\r\nContent-Length: 0\r\n\r\n" % path[10:].encode()
    if path == "/named":
        named = b"Content-Disposition: inline; filename=b.png\r\nContent-Type: image/png\r\n"
        return b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /-/protected/a.png\r\n" + named + b"Content-Length: 0\r\n\r\n"
    if path == "/upgrade":
        return b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + head[-40:]
    if path == "/long":
        page = b"<p>" + b"a long page " * 500
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    text = head + b"\r\n%d bytes" % len(body)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


@pytest.fixture(scope="module", params=sorted(PROXIES))
def made(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("proxy")
    os.chmod(root, 0o755)
    placement = shop_placement(
        os_version="12",
        facts=FACTS,
        interface="asgi",
        max_upload="1M",
        trusted_proxies=("127.0.0.2/32",),
        domains=("shop.example", "www.shop.example"),
    )
    chosen = proxy(request.param)
    here = HERE[request.param](root, (*chosen.host(placement), chosen.site(placement, READY)), protecting)
    here.make_certificate("shop.example", "www.shop.example")
    here.lay()
    for path, content in {
        f"{STATIC}/shop.css": "body{}" * 300,
        f"{STATIC}/shop.0123456789ab.css": "body{}" * 300,
        f"{STATIC}/robots.txt": "User-agent: *",
        f"{MEDIA}/a.png": "png",
        f"{MEDIA}/evil.html": "<script>",
        f"{MEDIA}/evil.svg": "<svg/>",
        f"{MEDIA}/.hidden": "no",
    }.items():
        here.write(path, content)
    here.path(f"{STATIC}/shop.css.gz").write_bytes(gzip.compress(b"ready made"))
    here.path(f"{STATIC}/shop.css.br").write_bytes(b"brotli, made before")
    with here:
        yield here


@pytest.fixture
def site(made):
    yield made
    made.path("/srv/shop/shared/maintenance").unlink(missing_ok=True)


def test_http_goes_to_https_under_every_domain(site):
    for name in ("shop.example", "www.shop.example"):
        status, headers, _ = site.get("/a?b=c", host=name)
        assert (status, headers["location"]) == (301, f"https://{name}/a?b=c")


def test_the_project_sees_its_client_and_only_what_the_proxy_says_of_it(site):
    forged = {
        "X_Forwarded_For": "6.6.6.6", "X_Forwarded_Proto": "http", "X_Forwarded_Host": "evil.example", "X_Real_IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6", "X_Request_ID": "forged", "Proxy": "http://evil", "True_Client_IP": "6.6.6.6",
    }  # fmt: skip

    text = site.get("/", tls=True, **forged)[2].decode().lower()

    assert "6.6.6.6" not in text
    assert "evil" not in text
    assert "forged" not in text
    assert "x-forwarded-for: 127.0.0.1" in text
    assert "x-forwarded-proto: https" in text
    assert "host: shop.example" in text
    assert re.search(r"x-request-id: [0-9a-f]{32}", text)


def test_the_request_id_of_the_project_is_the_one_in_the_access_log(site):
    text = site.get("/logged", tls=True)[2].decode()
    id_ = re.search(r"(?i)x-request-id: (\w+)", text)[1]
    log = site.path("/var/log/nginx/shop.access.log")
    for _ in range(150):
        if id_ in log.read_text():
            return
        time.sleep(0.02)
    pytest.fail(log.read_text()[-500:])


def test_an_unknown_name_gets_no_answer_and_no_handshake(site):
    with pytest.raises(OSError):
        site.get("/", host="evil.example")
    with pytest.raises(OSError):
        site.get("/", host="evil.example", tls=True)


def test_authorities_are_answered_over_http_under_every_name(site):
    site.write("/var/lib/nuages/acme/.well-known/acme-challenge/token", "proof")

    for name in ("shop.example", "not-yet-served.example"):
        assert site.get("/.well-known/acme-challenge/token", host=name)[::2] == (200, b"proof")


def test_static_files_come_compressed_as_they_were_made_before(site):
    assert site.get("/static/shop.css", tls=True, Accept_Encoding="br, gzip")[2] == b"brotli, made before"
    assert gzip.decompress(site.get("/static/shop.css", tls=True, Accept_Encoding="gzip")[2]) == b"ready made"


def test_only_names_with_a_hash_are_kept_for_ever(site):
    assert "immutable" in site.get("/static/shop.0123456789ab.css", tls=True)[1]["cache-control"]
    assert site.get("/static/shop.css", tls=True)[1]["cache-control"] == "public, max-age=60"


def test_what_is_no_static_file_is_asked_of_the_project(site):
    assert b"GET /static/nothing.css" in site.get("/static/nothing.css", tls=True)[2]


def test_nothing_outside_the_folder_of_files_is_served(site):
    for path in ("/static/../media/evil.html", "/static..%2fmedia/a.png", "/static/%2e%2e/media/.hidden", "/media/../shared"):
        status, _, body = site.get(path, tls=True)
        assert body not in (b"no", b"png"), (path, status)


def test_uploads_can_not_run_in_the_sites_origin(site):
    picture = site.get("/media/a.png", tls=True)[1]
    assert "content-disposition" not in picture
    assert picture["x-content-type-options"] == "nosniff"
    for name in ("evil.html", "evil.svg"):
        status, headers, _ = site.get(f"/media/{name}", tls=True)
        assert (status, headers["content-disposition"]) == (200, "attachment")
        assert "sandbox" in headers["content-security-policy"]


def test_hidden_uploads_and_links_of_others_stay_unseen(site, tmp_path):
    assert site.get("/media/.hidden", tls=True)[0] == 404
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    link = site.path(f"{MEDIA}/link.txt")
    link.symlink_to(secret)
    if os.geteuid() == 0:
        os.chown(link, 12345, 12345, follow_symlinks=False)
        assert site.get("/media/link.txt", tls=True)[2] != b"secret"
    link.unlink()


def test_a_view_of_the_project_lets_an_upload_through_that_nobody_else_gets(site):
    assert site.get("/download/a.png", tls=True)[2] == b"png"
    assert site.get("/download/evil.html", tls=True)[1]["content-disposition"] == "attachment"
    assert site.get("/-/protected/a.png", tls=True)[0] == 404
    assert site.get("/named", tls=True)[1]["content-disposition"] == "inline; filename=b.png"


def test_robots_txt_and_favicon_need_no_django(site):
    assert site.get("/robots.txt", tls=True)[::2] == (200, b"User-agent: *")
    assert site.get("/favicon.ico", tls=True)[::2] == (204, b"")


def test_the_maintenance_page_needs_no_django_and_leaves_health_and_static_files(site):
    site.path("/srv/shop/shared/maintenance").touch()

    status, headers, body = site.get("/", tls=True)

    assert (status, headers["retry-after"]) == (503, "120")
    assert b"worked on" in body
    assert site.get("/static/shop.css", tls=True)[0] == 200
    assert site.get("/media/a.png", tls=True)[0] == 503
    assert site.get("/-/live", tls=True)[0] == 200


def test_an_upload_within_the_limit_arrives_whole_and_a_larger_one_is_told_why(site):
    assert site.get("/", tls=True, method="POST", body=b"x" * 900_000)[2].endswith(b"900000 bytes")
    status, _, body = site.get("/", tls=True, method="POST", body=b"x" * 1_100_000)
    assert status == 413
    assert b"1M" in body


def test_long_pages_are_compressed_on_the_way(site):
    assert site.get("/long", tls=True, Accept_Encoding="gzip")[1]["content-encoding"] == "gzip"
    assert site.get("/long", tls=True, Accept_Encoding="br")[1]["content-encoding"] == "br"


def test_websockets_are_passed_on_and_other_upgrades_are_not(site):
    for upgrade, first in (("websocket", b"HTTP/1.1 101"), ("h2c", b"HTTP/1.1 200")):
        path = "/upgrade" if upgrade == "websocket" else "/"
        head = f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"
        answer = site_tls(site, head.encode())
        assert answer.startswith(first)
        assert b"h2c" not in answer


def site_tls(site, data):
    with tls_connection(site) as end:
        end.sendall(data)
        return end.recv(65536)


def tls_connection(site, context=None, source="127.0.0.1"):
    raw = socket.create_connection(("127.0.0.1", site.ports[443]), 5, source_address=(source, 0))
    return (context or ssl._create_unverified_context()).wrap_socket(raw, server_hostname="shop.example")


def test_a_declared_balancer_is_believed_about_client_scheme_and_id(site):
    with socket.create_connection(("127.0.0.1", site.ports[80]), 5, source_address=("127.0.0.2", 0)) as end:
        end.sendall(
            b"GET /-/live HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
        )
        assert end.recv(65536).startswith(b"HTTP/1.1 200")
    with tls_connection(site, source="127.0.0.2") as end:
        end.sendall(
            b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n"
            b"X-Request-ID: from-balancer\r\nConnection: close\r\n\r\n"
        )
        text = end.recv(65536).lower()
    assert b"x-forwarded-for: 203.0.113.9" in text
    assert b"x-request-id: from-balancer" in text


def test_where_the_project_is_gone_a_page_of_ours_says_so(site):
    site.echo.stop()
    try:
        status, headers, body = site.get("/", tls=True)
    finally:
        site.echo.start()

    assert status == 502
    assert b"does not answer right now" in body
    assert headers["cache-control"] == "no-store"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


def test_only_the_protocols_and_ciphers_of_the_intermediate_profile(site):
    def shake(version, ciphers=None):
        context = ssl._create_unverified_context()
        context.minimum_version = context.maximum_version = version
        context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
        with tls_connection(site, context) as end:
            return end.cipher()[0]

    assert shake(ssl.TLSVersion.TLSv1_3).startswith("TLS_")
    assert "ECDHE" in shake(ssl.TLSVersion.TLSv1_2)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(OSError):
        shake(ssl.TLSVersion.TLSv1_1)
    for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
        with pytest.raises(OSError):
            shake(ssl.TLSVersion.TLSv1_2, weak)
