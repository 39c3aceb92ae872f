"""The request that a release must answer before it serves: made in-process, judged, and explained when it fails."""

from __future__ import annotations

import io
import logging
import sys
from urllib.parse import urljoin, urlsplit

from nuages_runtime.proof import report, report_exception


REDIRECTS = 5
MOST = 1 << 20  # bytes of a page that are kept


def prove(callable_, policy):
    """The health question, then those of [pipeline] smoke, until one is not answered as it should be."""
    answer = ask_health(callable_, policy)
    for question in policy.get("smoke") or () if answer["ok"] else ():
        answer = ask_question(callable_, policy, question)
        if not answer["ok"]:
            return answer
    return answer


def ask_health(callable_, policy):
    """Follow same-host redirects and judge the last answer."""
    health = policy.get("health") or {}
    path, expect = health.get("path") or "/", health.get("expect") or "2xx,3xx,401,403,404"
    answer, status, url, heard, body = follow(callable_, policy, path)
    if answer is not None:
        return answer
    if matches(status, expect):
        return {"ok": True, "status": status}
    return explain(status, url, expect, heard, body, policy)


def ask_question(callable_, policy, question):
    """A status that is expected counts at once, a redirect too; else redirects are followed."""
    path, expect, text = question["path"], question["expect"], question["contains"]
    answer, status, url, heard, body = follow(callable_, policy, path, expect)
    if answer is None and not matches(status, expect):
        answer = explain(status, url, expect, heard, body, policy)
    elif answer is None and text and text not in body.decode("utf-8", "replace"):
        answer = report("smoke-test", ["GET %s answered %d, and its page does not hold %r" % (path, status, text)], status=status)
    if answer is None:
        return {"ok": True, "status": status}
    return answer


def follow(callable_, policy, path, enough=""):
    """(a report, where it goes round in circles or to https; else None, and how the last answer was)."""
    host, scheme = public_host(policy), "https" if (policy.get("tls") or {}).get("enabled") else "http"
    url, seen = "%s://%s%s" % (scheme, host, path), []
    ask = ask_asgi if policy.get("interface") == "asgi" else ask_wsgi
    while True:
        with Listening() as heard:
            status, headers, body = ask(callable_, url, host)
        target = urljoin(url, headers.get("location", "")) if 300 <= status < 400 and "location" in headers else None
        if target is None or urlsplit(target).netloc != host or (enough and matches(status, enough)):
            return None, status, url, heard, body
        if urlsplit(target).scheme == "https" and scheme == "http":
            said = "GET %s is redirected to https, and this site has no TLS declared" % path
            return report("https-redirect", [said]), status, url, heard, body
        seen.append(url)
        if target in seen or len(seen) > REDIRECTS:
            said = ["GET %s is redirected without end" % path, "at %s to %s" % (url, target)]
            return report("redirect-loop", said), status, url, heard, body
        url = target


def public_host(policy):
    domains = [domain for domain in policy.get("domains") or [] if not domain.startswith(("*", "."))]
    if domains:
        return domains[0]
    port = policy.get("port")
    return "localhost:%s" % port if port else "localhost"


def matches(status, expect):
    """`2xx,401` and the like."""
    for pattern in str(expect).replace(" ", "").split(","):
        if len(pattern) == 3 and all(p in ("x", "X", d) for p, d in zip(pattern, str(status))):
            return True
    return False


def explain(status, url, expect, heard, body, policy):
    first = "GET %s answered %d, expected %s" % (urlsplit(url).path, status, expect)
    if heard.error is not None:
        answer = report_exception(heard.error, policy, first)
        answer.update(status=status, kind="server-error" if answer["kind"] == "exception" else answer["kind"])
        return answer
    if heard.host:
        return report("disallowed-host", [first, heard.host], status=status)
    if status >= 500:
        return report("server-error", [first, *heard.lines[-3:]], status=status)
    return report("status", [first, *heard.lines[-2:]], status=status)


class Listening(logging.Handler):
    """What Django says about one request: the exception behind a 500, the host it refused, its warnings."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.error = None
        self.host = None
        self.lines = []

    def emit(self, record):
        said = record.getMessage().splitlines()[:1]
        if record.name == "django.security.DisallowedHost":
            self.host = said[0] if said else "DisallowedHost"
        self.lines += said
        if record.exc_info and record.exc_info[1] is not None and self.error is None and self.host is None:
            self.error = record.exc_info[1]

    def keep_error(self, **_kwargs):
        self.error = sys.exc_info()[1] or self.error

    def __enter__(self):
        logging.getLogger("django").addHandler(self)
        for name in ("django.request", "django.security", "django.security.DisallowedHost"):
            logging.getLogger(name).addHandler(self)
        try:
            from django.core.signals import got_request_exception

            got_request_exception.connect(self.keep_error, weak=False, dispatch_uid="nuages-proof")
        except ImportError:
            pass
        return self

    def __exit__(self, *_exc):
        for name in ("django", "django.request", "django.security", "django.security.DisallowedHost"):
            logging.getLogger(name).removeHandler(self)
        try:
            from django.core.signals import got_request_exception

            got_request_exception.disconnect(dispatch_uid="nuages-proof")
        except ImportError:
            pass


def ask_wsgi(application, url, host):
    parts = urlsplit(url)
    answer = {}

    def start_response(status, headers, exc_info=None):
        answer.update(status=int(status.split(None, 1)[0]), headers={k.lower(): v for k, v in headers})
        return lambda _data: None

    iterable = application(environ_for(parts, host), start_response)
    try:
        body = b""
        for chunk in iterable:
            if len(body) < MOST:
                body += chunk
            else:
                break  # a page that streams for ever has begun to answer
    finally:
        close = getattr(iterable, "close", None)
        if close is not None:
            close()
        close_connections()
    return answer["status"], answer["headers"], body


def environ_for(parts, host):
    from urllib.parse import unquote_to_bytes

    name, _colon, port = host.partition(":")
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path or "/").decode("latin-1"),
        "RAW_URI": parts.path or "/",
        "QUERY_STRING": parts.query,
        "SERVER_NAME": name,
        "SERVER_PORT": port or ("443" if parts.scheme == "https" else "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": host,
        "HTTP_ACCEPT": "text/html,application/json;q=0.9,*/*;q=0.8",
        "HTTP_USER_AGENT": "nuages-proof",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "nuages.proof": True,
    }


def close_connections():
    """The thread that asked ends; its database connections must not wait for the garbage collector."""
    try:
        from django.db import connections

        connections.close_all()
    except Exception:
        pass


def ask_asgi(application, url, host):
    import asyncio

    return asyncio.run(_ask_asgi(application, urlsplit(url), host))


async def _ask_asgi(application, parts, host):
    import asyncio
    from urllib.parse import unquote

    answer = {"body": b""}
    asked = []
    name, _colon, port = host.partition(":")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": parts.scheme,
        "path": unquote(parts.path or "/"),
        "raw_path": (parts.path or "/").encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [
            (b"host", host.encode()),
            (b"accept", b"text/html,*/*;q=0.8"),
            (b"user-agent", b"nuages-proof"),
        ],
        "client": ("127.0.0.1", 0),
        "server": (name, int(port or (443 if parts.scheme == "https" else 80))),
        "extensions": {"nuages.proof": {}},
    }

    async def receive():
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        return await asyncio.Future()  # a client that stays: a disconnect would cancel the view

    done = asyncio.Event()

    async def send(message):
        if message["type"] == "http.response.start":
            answer["status"] = message["status"]
            answer["headers"] = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in message.get("headers", ())}
        elif message["type"] == "http.response.body":
            answer["body"] += message.get("body", b"")[: MOST if len(answer["body"]) < MOST else 0]
            if not message.get("more_body"):
                done.set()

    task = asyncio.ensure_future(application(scope, receive, send))
    waiter = asyncio.ensure_future(done.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    if task.done() and task.exception() is not None:
        waiter.cancel()
        raise task.exception()
    await asyncio.wait({task}, timeout=1)
    for leftover in (task, waiter):
        leftover.cancel()
    return answer["status"], answer["headers"], answer["body"]
