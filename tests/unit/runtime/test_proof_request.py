"""What the proof makes of a release's answers."""

import pytest
import shipped_runtime  # noqa: F401
from nuages_runtime import proof, proof_request


POLICY = {"project": "/srv/shop", "domains": ["shop.example"], "health": {"path": "/", "expect": "2xx,401"}}


def answering(status, headers=(), pages=None):
    def application(environ, start_response):
        code, fields = (pages or {}).get(environ["PATH_INFO"], (status, headers))
        start_response(f"{code} X", list(fields))
        return [environ["HTTP_HOST"].encode(), environ["wsgi.url_scheme"].encode()]

    return application


async def asgi_answering(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def prove(application, **policy):
    return proof_request.prove(application, POLICY | policy)


@pytest.mark.parametrize(("status", "ok"), [(200, True), (204, True), (401, True), (404, False), (500, False), (302, False)])
def test_only_an_expected_status_proves_a_release(status, ok):
    assert prove(answering(status)).get("ok") is ok


def test_the_page_is_asked_for_with_an_allowed_host_and_the_declared_scheme():
    seen = []

    def application(environ, start_response):
        seen.append((environ["HTTP_HOST"], environ["wsgi.url_scheme"]))
        start_response("200 OK", [])
        return []

    prove(application)
    prove(application, tls={"enabled": True})
    prove(application, domains=["*.shop.example"], port=8123)
    assert seen == [("shop.example", "http"), ("shop.example", "https"), ("localhost:8123", "http")]


def test_redirects_on_the_same_host_are_followed_to_the_page():
    pages = {"/": (302, [("Location", "/en/")]), "/en/": (301, [("Location", "http://shop.example/home")])}
    assert prove(answering(200, pages=pages))["ok"]


def test_a_redirect_to_another_host_is_an_answer_of_its_own():
    answer = prove(answering(302, [("Location", "https://login.example/")]), health={"path": "/", "expect": "3xx"})
    assert answer["ok"]


def test_a_redirect_without_end_is_named():
    assert prove(answering(302, [("Location", "/")]))["kind"] == "redirect-loop"


def test_a_redirect_to_https_without_declared_tls_is_named():
    assert prove(answering(301, [("Location", "https://shop.example/")]))["kind"] == "https-redirect"


def test_an_asgi_callable_is_asked_as_well():
    assert prove(asgi_answering, interface="asgi") == {"ok": True, "status": 204}


def test_a_refused_host_is_named():
    import logging

    def application(environ, start_response):
        logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header: 'shop.example'.")
        start_response("400 Bad Request", [])
        return []

    answer = prove(application)
    assert (answer["kind"], answer["lines"][1]) == ("disallowed-host", "Invalid HTTP_HOST header: 'shop.example'.")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ModuleNotFoundError("No module named 'x'", name="x"), "missing-dependency", "is it in the requirements?"),
        (ImportError("cannot import name 'a'"), "import", "cannot import name 'a'"),
        (SyntaxError("bad", ("/srv/shop/a.py", 7, 1, "x")), "import", "at a.py:7"),
        (MemoryError(), "memory", "MemoryError"),
        (KeyError("colour"), "exception", "KeyError: 'colour'"),
    ],
)
def test_an_exception_is_told_in_at_most_five_lines_with_its_cause(error, kind, said):
    answer = proof.report_exception(error, POLICY, "first")
    assert answer["kind"] == kind
    assert any(said in line for line in answer["lines"])
    assert len(answer["lines"]) <= 5


def test_the_place_named_is_in_the_projects_own_code():
    from types import SimpleNamespace as Frame

    frames = [
        Frame(filename="/srv/shop/shop/views.py", lineno=12, name="index"),
        Frame(filename="/venv/lib/site-packages/django/shortcuts.py", lineno=99, name="render"),
    ]
    assert proof.own_frame(frames, POLICY) == ("shop/views.py", 12, "index")


# --- smoke tests ----------------------------------------------------------------------------------------------


def smoked(application, **question):
    return prove(application, smoke=[{"path": "/cart", "expect": "200", "contains": "", **question}])


def test_a_smoke_test_is_asked_once_the_health_is_well():
    assert smoked(answering(200))["ok"]
    assert smoked(answering(200, pages={"/cart": (500, [])}))["lines"][0] == "GET /cart answered 500, expected 200"
    assert smoked(answering(500))["lines"][0] == "GET / answered 500, expected 2xx,401"


def test_a_page_must_hold_the_text_that_was_asked_for():
    assert smoked(answering(200), contains="shop.example")["ok"]
    answer = smoked(answering(200), contains="Welcome")
    assert (answer["ok"], answer["kind"]) == (False, "smoke-test")
    assert "does not hold 'Welcome'" in answer["lines"][0]


def test_an_expected_redirect_is_an_answer_and_another_one_is_followed():
    pages = {"/cart": (302, [("Location", "/login")]), "/login": (200, [])}
    assert smoked(answering(404, pages={**pages, "/": (200, [])}), expect="302")["ok"]
    assert smoked(answering(404, pages={**pages, "/": (200, [])}))["ok"]
