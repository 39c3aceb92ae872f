"""Which requests are answered. Everything on loopback can be reached by any web page that the user looks at, by any name
that somebody's DNS points to 127.0.0.1, and by every account of this machine: each of these is refused here. Pure."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


KEY = "X-Nuages-Key"
LARGEST = 4096  # bytes of a body
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Refusal:
    status: int
    why: str


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]  # by names in small letters
    sent: tuple[tuple[str, str], ...] = ()  # as they came, for those that came twice


@dataclass(frozen=True)
class Session:
    """`cookie` is for the browser alone. Cookies know no ports, so another server on this machine may get it: nothing is
    told or done without the `key` too, which only this origin's page can keep."""

    cookie: str
    key: str = field(repr=False)


class Doorkeeper:
    """Hands out one token for each link, and a session for each token, once."""

    def __init__(self, port: int) -> None:
        self.cookie = f"nuages-{port}"  # or two dashboards would take each other's
        self.guard = threading.Lock()
        self.tokens: set[str] = set()
        self.sessions: list[Session] = []

    def token(self) -> str:
        made = secrets.token_urlsafe(32)
        with self.guard:
            self.tokens.add(made)
        return made

    def exchange(self, token: str) -> Session | None:
        with self.guard:
            known = next((each for each in self.tokens if same(each, token)), None)
            if known is None:
                return None
            self.tokens.remove(known)
            session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
            self.sessions.append(session)
            return session

    def session(self, asked: Asked) -> Session | None:
        given = cookies(asked.headers.get("cookie", "")).get(self.cookie, "")
        with self.guard:
            return next((each for each in self.sessions if same(each.cookie, given)), None)


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))


def cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, equals, value in pairs if equals}


def refused(asked: Asked, port: int) -> Refusal | None:
    """What no request may do, whoever sends it."""
    names = [name.lower() for name, _value in asked.sent]
    if any(names.count(name) > 1 for name in ("host", "origin", "content-length", "content-type", "cookie", KEY.lower())):
        return Refusal(400, "a header came twice")
    host = asked.headers.get("host", "")
    if host not in {f"127.0.0.1:{port}", f"localhost:{port}"}:
        return Refusal(421, "this server answers to 127.0.0.1 and localhost only")
    if asked.method not in ("GET", "HEAD", "POST"):
        return Refusal(405, "GET, HEAD and POST are known here")
    if not asked.path.startswith("/") or asked.path.startswith("//"):
        return Refusal(400, "that is no path")
    return _of_another_origin(asked, host)


def _of_another_origin(asked: Asked, host: str) -> Refusal | None:
    origin = asked.headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return Refusal(403, "another origin asks")
    site, where = asked.headers.get("sec-fetch-site", "same-origin"), asked.headers.get("sec-fetch-dest", "")
    if where in ("iframe", "frame", "embed", "object", "fencedframe"):
        return Refusal(403, "this page is in no frame")
    page = asked.method == "GET" and asked.path.partition("?")[0] == "/" and where in ("", "document")
    if site not in ("same-origin", "none") and not page:
        return Refusal(403, "another site asks")
    return None


def refused_post(asked: Asked) -> Refusal | None:
    """What changes something comes from our own page's script: a form or a simple request can't send this."""
    if "origin" not in asked.headers:
        return Refusal(403, "a change says where it comes from")
    if asked.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return Refusal(415, "JSON is what is read here")
    length = asked.headers.get("content-length", "")
    if "transfer-encoding" in asked.headers or not (length.isascii() and length.isdecimal()):
        return Refusal(411, "a body says how long it is")
    return Refusal(413, "that is too long") if int(length) > LARGEST else None


def keyless(asked: Asked, session: Session | None) -> Refusal | None:
    if session is None:
        return Refusal(403, "this link was used, or belongs to a dashboard that has ended")
    if not same(session.key, asked.headers.get(KEY.lower(), "")):
        return Refusal(403, "the page's key is missing")
    return None
