"""What is answered in front of the project, the same under WSGI and ASGI."""

import gzip
import os
import time

import pytest
import shipped_runtime  # noqa: F401
from front_client import ask_asgi, ask_wsgi


SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module", autouse=True)
def release(tmp_path_factory):
    """wsgi.py and asgi.py load their application when they are imported, as the app server wants it."""
    folder = tmp_path_factory.mktemp("release")
    (folder / "policy.json").write_text('{"wsgi": "wsgiref.simple_server:demo_app", "asgi": "json:dumps"}')
    before = os.environ.get("NUAGES_RELEASE")
    os.environ["NUAGES_RELEASE"] = str(folder)
    import nuages_runtime.asgi
    import nuages_runtime.wsgi  # noqa: F401

    os.environ.pop("NUAGES_RELEASE") if before is None else os.environ.update(NUAGES_RELEASE=before)


def wsgi_project(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    seen = {k: v for k, v in environ.items() if k.startswith(("HTTP_", "REMOTE_ADDR", "wsgi.url_scheme"))}
    return [repr(seen).encode()]


async def asgi_project(scope, receive, send):
    headers = {"HTTP_" + k.decode().upper().replace("-", "_"): v.decode() for k, v in scope["headers"]}
    seen = headers | {"REMOTE_ADDR": scope["client"][0], "wsgi.url_scheme": scope["scheme"]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(seen).encode()})


@pytest.fixture(params=["wsgi", "asgi"])
def site(request, tmp_path):
    from nuages_runtime import asgi, media, static, wsgi

    for name in ("static", "media", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    policy = {"trusted_proxies": ["10.0.0.0/8"], "number": 3, "build": "b1", "media_root": str(tmp_path / "media")}
    project = wsgi_project if request.param == "wsgi" else asgi_project
    application = (wsgi if request.param == "wsgi" else asgi).Application(policy, project)
    uploads = media.Media(str(tmp_path / "media"), "/media/")
    uploads.passes_on = False
    application.front.serve(static.StaticFiles(str(tmp_path / "static"), "/static/"), uploads)
    return Site(application, ask_wsgi if request.param == "wsgi" else ask_asgi, tmp_path)


class Site:
    def __init__(self, application, ask, root):
        self.application, self.ask, self.root = application, ask, root

    def get(self, path, method="GET", peer="192.0.2.9", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(self.application, method, path, named, peer)

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def is_projects(self, path):
        return b"HTTP_X_REQUEST_ID" in self.get(path).body


# --- static ----------------------------------------------------------------------------------------------


def test_a_hashed_file_is_cached_for_ever_and_any_other_for_a_minute(site):
    site.write("static/app.0123456789ab.css", "a{}")
    site.write("static/app.css", "a{}")
    assert "immutable" in site.get("/static/app.0123456789ab.css").headers["cache-control"]
    assert site.get("/static/app.css").headers["cache-control"] == "max-age=60, public"


def test_a_precompressed_file_is_sent_to_those_who_take_it(site):
    site.write("static/app.css", "a{}" * 500)
    site.write("static/app.css.gz", gzip.compress(b"a{}" * 500))
    packed = site.get("/static/app.css", Accept_Encoding="gzip, deflate")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == b"a{}" * 500
    assert "content-encoding" not in site.get("/static/app.css").headers


def test_a_file_that_a_newer_release_brought_is_found_without_a_restart(site):
    assert site.is_projects("/static/late.js")
    site.write("static/late.js", "1")
    assert site.get("/static/late.js").body == b"1"


def test_a_file_replaced_under_its_name_is_sent_with_its_new_length(site):
    site.write("static/app.js", "1")
    assert site.get("/static/app.js").body == b"1"
    os.utime(site.write("static/app.js", "longer"), (time.time() + 9, time.time() + 9))
    answer = site.get("/static/app.js")
    assert (answer.body, answer.headers["content-length"]) == (b"longer", "6")


def test_a_file_that_retention_removed_is_the_projects_404_again(site):
    site.write("static/app.0123456789ab.js", "1")
    site.get("/static/app.0123456789ab.js")
    (site.root / "static" / "app.0123456789ab.js").unlink()
    assert site.is_projects("/static/app.0123456789ab.js")


def test_static_files_answer_head_ranges_and_conditions(site):
    site.write("static/app.js", "0123456789")
    assert site.get("/static/app.js", "HEAD").body == b""
    part = site.get("/static/app.js", Range="bytes=2-4")
    assert (part.status, part.body) == (206, b"234")
    whole = site.get("/static/app.js")
    assert site.get("/static/app.js", If_Modified_Since=whole.headers["last-modified"]).status == 304


OUTSIDE = ["/static/../outside/secret.txt", "/static/..%2foutside/secret.txt", "/static//etc/passwd", "/static/./a.js",
           "/static/link.txt", "/static/", "/static/\0", "/media/../outside/secret.txt", "/media/link.txt",
           "/media//etc/passwd", "/media/.env", "/media/a/.git/config", "/media/folder", "/media/folder/", "/media/\0x",
           "/media/..", "/media/fifo"]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_its_folder_is_ever_sent(site, path):
    site.write("static/a.js", "1")
    site.write("media/.env", "SECRET")
    site.write("media/a/.git/config", "SECRET")
    site.write("media/folder/file.txt", "1")
    os.mkfifo(site.root / "media" / "fifo")
    for name in ("static", "media"):
        (site.root / name / "link.txt").symlink_to(site.root / "outside" / "secret.txt")
    assert site.is_projects(path)


# --- media -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["page.html", "image.svg", "feed.xml", "code.js", "unknown.thing", "noextension", "a.html.gz"])
def test_an_upload_that_could_run_is_a_download_in_a_sandbox(site, name):
    site.write("media/" + name, SCRIPT)
    headers = site.get("/media/" + name).headers
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]


@pytest.mark.parametrize("name", ["photo.jpg", "talk.mp4", "paper.pdf", "notes.txt"])
def test_pictures_films_and_papers_are_shown_in_the_page(site, name):
    site.write("media/" + name, "x")
    headers = site.get("/media/" + name).headers
    assert "content-disposition" not in headers
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("wanted", "status", "body", "where"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=5-2", 200, b"0123456789", None),
        ("pages=1-2", 200, b"0123456789", None),
    ],
)
def test_an_upload_is_sent_in_ranges(site, wanted, status, body, where):
    site.write("media/a.bin", "0123456789")
    answer = site.get("/media/a.bin", Range=wanted)
    assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, where)


def test_a_range_of_an_upload_that_has_changed_is_the_whole_file(site):
    site.write("media/a.bin", "0123456789")
    etag = site.get("/media/a.bin").headers["etag"]
    assert site.get("/media/a.bin", Range="bytes=0-1", If_Range=etag).status == 206
    assert site.get("/media/a.bin", Range="bytes=0-1", If_Range='"other"').status == 200


def test_an_upload_that_a_browser_has_is_not_sent_again(site):
    site.write("media/a.jpg", "x")
    first = site.get("/media/a.jpg")
    assert site.get("/media/a.jpg", If_None_Match=first.headers["etag"]).status == 304
    assert site.get("/media/a.jpg", If_Modified_Since=first.headers["last-modified"]).status == 304
    assert site.get("/media/a.jpg", If_Modified_Since="nonsense").status == 200


def test_an_upload_with_a_name_of_any_script_is_found(site):
    site.write("media/été 雪.txt", "x")
    assert site.get("/media/été 雪.txt").body == b"x"


def test_posting_to_an_upload_is_the_projects_business(site):
    site.write("media/a.txt", "x")
    assert b"HTTP_X_REQUEST_ID" in site.get("/media/a.txt", "POST").body


# --- health, maintenance, ids, proxies -------------------------------------------------------------------


def test_live_answers_any_host_without_the_project(site):
    answer = site.get("/-/live", Host="nobody.example")
    assert answer.status == 200
    assert b'"release": 3' in answer.body
    assert site.is_projects("/-/other")


def test_maintenance_answers_503_but_health_and_static_files_go_on(site):
    site.write("static/app.css", "a{}")
    site.write("maintenance", "")
    answer = site.get("/")
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert site.get("/-/live").status == 200
    assert site.get("/static/app.css").status == 200


def test_a_new_release_is_proved_behind_the_maintenance_page(site):
    from nuages_runtime.proof_request import prove

    site.write("maintenance", "")
    assert site.get("/").status == 503
    interface = "asgi" if site.ask is ask_asgi else "wsgi"
    assert prove(site.application, {"interface": interface, "health": {"expect": "200"}}) == {"ok": True, "status": 200}


def test_maintenance_ends_within_a_second_of_its_file(site):
    site.write("maintenance", "").unlink()
    assert site.get("/").status == 200


def test_every_request_has_an_id_that_only_a_trusted_proxy_may_choose(site):
    assert site.get("/", peer="10.1.2.3", X_Request_ID="abc-1").headers["x-request-id"] == "abc-1"
    assert site.get("/", X_Request_ID="abc-1").headers["x-request-id"] != "abc-1"
    forged = site.get("/", peer="10.1.2.3", X_Request_ID='x" 200 OK').headers["x-request-id"]
    assert len(forged) == 16


FORWARDED = {"X_Forwarded_For": "6.6.6.6, 198.51.100.7, 10.0.0.2", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil",
             "Forwarded": "for=6.6.6.6"}  # fmt: skip


def test_what_a_stranger_forwards_is_not_believed_and_not_passed_on(site):
    body = site.get("/", **FORWARDED).body.decode()
    assert "FORWARDED" not in body
    assert "'REMOTE_ADDR': '192.0.2.9'" in body
    assert "'wsgi.url_scheme': 'http'" in body


def test_a_declared_proxy_says_who_asks_and_by_which_scheme(site):
    body = site.get("/", peer="10.1.2.3", **FORWARDED).body.decode()
    assert "'REMOTE_ADDR': '198.51.100.7'" in body  # what stands before it may be invented
    assert "'wsgi.url_scheme': 'https'" in body


def test_over_a_unix_socket_the_server_is_called_what_was_asked_for():
    """Granian and Gunicorn name the socket's path, and port 0, which Django would put into absolute addresses."""
    from nuages_runtime.forwarded import Forwarded

    proxied = {"REMOTE_ADDR": "", "SERVER_NAME": "/run/x.sock", "SERVER_PORT": "0", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
    secure = {**proxied, "HTTP_HOST": "shop.example", "HTTP_X_FORWARDED_PROTO": "https"}
    port = {**proxied, "HTTP_HOST": "[2001:db8::1]:8443"}
    for environ in (secure, port):
        assert Forwarded(["unix"]).apply(environ)

    assert (secure["SERVER_NAME"], secure["SERVER_PORT"], secure["REMOTE_ADDR"]) == ("shop.example", "443", "198.51.100.7")
    assert (port["SERVER_NAME"], port["SERVER_PORT"]) == ("[2001:db8::1]", "8443")
