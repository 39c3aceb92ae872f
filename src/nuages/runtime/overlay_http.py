"""Hosts, origins, TLS and the security middleware."""

from __future__ import annotations

import os
import re

from .overlay_values import NOTE


LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
SECURITY = "django.middleware.security.SecurityMiddleware"
PUBLIC_URL = re.compile(
    r"^(?!.*(DATABASE|REDIS|CACHE|BROKER|EMAIL|SMTP|CELERY|ELASTIC|SEARCH)).*((SITE|BASE|PUBLIC|PRIMARY|EXTERNAL|FRONTEND|ROOT).*(URL|ROOT|HOST|DOMAIN)|(^|_)DOMAIN)$"
)
PLACEHOLDER = re.compile(r"localhost|127\.0\.0\.1|example\.(com|org|net)|\b0\.0\.0\.0")
NO_DOMAIN = "no domain is declared: the site answers on http://localhost only"


def _like(old, new):
    return tuple(new) if isinstance(old, tuple) else list(new)


def allowed_hosts(view):
    old = view.get("ALLOWED_HOSTS") or []
    old = [old] if isinstance(old, str) else old
    own = [host for host in old if host and host != "*"]
    ours = [domain[1:] if domain.startswith("*.") else domain for domain in view.domains] or LOOPBACK + _bound(view)
    new = own + [host for host in ours if host not in own]
    reason = "the declared domains" if view.domains else NO_DOMAIN
    if "*" in old:
        reason += "; '*' lets anybody poison links and caches with a Host header of theirs"
    yield "ALLOWED_HOSTS", _like(old, new), reason


def _bound(view):
    """Somebody who binds to another address wants to be reached there."""
    bind = view.policy.get("bind") or "127.0.0.1"
    if bind in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        import socket

        return [socket.gethostname().lower()]
    return [] if bind in ("127.0.0.1", "localhost", "::1") else ["[%s]" % bind if ":" in bind else bind]


def trusted_origins(view):
    own = [origin for origin in view.get("CSRF_TRUSTED_ORIGINS") or [] if origin]
    port = view.policy.get("port") or 80
    if view.django < (4, 0):
        new = own + [host for host in (d[1:] if d.startswith("*.") else d for d in view.domains) if host not in own]
    else:
        own = [each for origin in own for each in ([origin] if "://" in origin else ["https://" + origin, "http://" + origin])]
        ours = ["https://" + domain for domain in view.domains]
        if not view.tls:
            ours += [
                origin
                for domain in view.domains
                for origin in ("http://" + domain, "http://%s:%s" % (domain, port))
                if not origin.endswith(":80")
            ]
        new = own + [origin for origin in ours if origin not in own]
    if new:
        yield (
            "CSRF_TRUSTED_ORIGINS",
            _like(view.get("CSRF_TRUSTED_ORIGINS"), new),
            "forms are posted from the declared domains",
        )


def security_middleware(view):
    middleware = view.get("MIDDLEWARE") or []
    if SECURITY not in middleware and not any(str(name).endswith("SecurityMiddleware") for name in middleware):
        yield (
            "MIDDLEWARE",
            _like(middleware, [SECURITY, *middleware]),
            "without SecurityMiddleware every SECURE_* setting does nothing",
        )
    elif isinstance(middleware, tuple) and view.django < (2, 0):
        yield "MIDDLEWARE", list(middleware), "a list"


def with_tls(view):
    if not view.tls:
        return
    tls = view.policy["tls"]
    if view.policy.get("trusted_proxies"):
        yield (
            "SECURE_PROXY_SSL_HEADER",
            view.own.get("SECURE_PROXY_SSL_HEADER") or ("HTTP_X_FORWARDED_PROTO", "https"),
            "believed from the declared proxies only; the server strips it from everybody else",
        )
        yield "SECURE_SSL_REDIRECT", True, "TLS is declared: http goes to https"
    elif view.get("SECURE_SSL_REDIRECT"):
        yield (
            "SECURE_SSL_REDIRECT",
            False,
            "no trusted proxy is declared, so every request looks like http and would redirect for ever",
        )
    else:
        yield "SECURE_SSL_REDIRECT", NOTE, "declare serve.trusted_proxies to have http redirected"
    for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        yield name, True, "TLS is declared: the cookie never travels over http"
    if tls.get("hsts_seconds"):
        yield "SECURE_HSTS_SECONDS", tls["hsts_seconds"], "as declared"
    if tls.get("include_subdomains"):
        yield "SECURE_HSTS_INCLUDE_SUBDOMAINS", True, "as declared"
    if tls.get("preload"):
        yield "SECURE_HSTS_PRELOAD", True, "as declared"


def without_tls(view):
    """Over plain http, secure cookies are never sent back: nobody could log in."""
    if view.tls:
        return
    if view.get("SECURE_SSL_REDIRECT"):
        yield "SECURE_SSL_REDIRECT", False, "no TLS is declared: there is no https to go to"
    for cookie in ("SESSION", "CSRF", "LANGUAGE"):
        yield from _cookie_over_http(view, cookie + "_COOKIE_")
    if view.get("SECURE_HSTS_SECONDS"):
        yield "SECURE_HSTS_SECONDS", 0, "no TLS is declared"
    if view.get("SECURE_PROXY_SSL_HEADER") and not view.policy.get("trusted_proxies"):
        yield "SECURE_PROXY_SSL_HEADER", None, "no proxy is declared: anybody could send this header"


def _cookie_over_http(view, prefix):
    if view.get(prefix + "SECURE"):
        yield (
            prefix + "SECURE",
            False,
            "no TLS is declared: browsers would not send the cookie back, and a login would fail",
        )
    if str(view.get(prefix + "NAME") or "").startswith(("__Secure-", "__Host-")):
        yield (
            prefix + "NAME",
            view.get(prefix + "NAME").split("-", 1)[1],
            "browsers take this prefix over TLS only",
        )
    if view.get(prefix + "SAMESITE") == "None":
        yield prefix + "SAMESITE", "Lax", "browsers take SameSite=None over TLS only"


def without_domain(view):
    if view.domains:
        return
    for name in ("SESSION_COOKIE_DOMAIN", "CSRF_COOKIE_DOMAIN", "LANGUAGE_COOKIE_DOMAIN"):
        if view.get(name) and view.get(name) not in LOOPBACK:
            yield name, None, NO_DOMAIN + ", where a cookie of another domain is refused"
    if view.get("PREPEND_WWW"):
        yield "PREPEND_WWW", False, NO_DOMAIN


def forwarded_host(view):
    if view.get("USE_X_FORWARDED_HOST") and not view.policy.get("trusted_proxies"):
        yield "USE_X_FORWARDED_HOST", False, "no proxy is declared: anybody could send this header"


def public_urls(view):
    """Where the project says how it is reached, we only tell: what it means there is the project's."""
    if not view.domains:
        return
    for name, value in sorted(view.own.items()):
        if isinstance(value, (str, os.PathLike)) and PUBLIC_URL.match(name) and PLACEHOLDER.search(str(value)):
            yield name, NOTE, "still a placeholder; the site is %s" % view.domains[0]


RULES = (
    allowed_hosts,
    trusted_origins,
    security_middleware,
    with_tls,
    without_tls,
    without_domain,
    forwarded_host,
    public_urls,
)
