"""Values that let a project import although nobody has given the real ones. They never leave the scratch copy."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable


def rsa_key() -> str:
    """A throw-away RSA key in PEM: generated once, published here, and good for nothing but being parsed."""
    return THROWAWAY_RSA


THROWAWAY_RSA = """-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAxCsSv0G5LnZk68gm3GBSA0Ebt4sqyd9lmhj+ZQGPrWVcvaTp
0SsKGU+QKQtigI0BfumI6lnVHyj3joTwtivW6xt/wYpdk4yCaf2zniEcHQ773T3c
hjC/TW++kSnwLGFw8zocO33a0e8lgFclII1KTUPEW7vrLrVN9mvzB1srWSK7NCgV
Duoz3u5kgh4lpNBk/POlfWY8HZ3xkYyeiQw3kmsJ7svECSvrb4PKpFvtBCBf7WQE
N2zFnpN13n06CNTHXwocUmuQVB5YiO6fhYB5DU6DiLxjBU+GVlS3UTsWmjaj4J0B
ziIRfPYOtjgDjEeVzounWMJNNzj1fv9NqfwjDQIDAQABAoIBAAQtRpxXVns1o0md
XNHkbWzmmW0N6GNT/4b3TLNguti5vqV9XpP/3FF5E6VMFVTXYp+gBMbdN1/qea03
LkjpkXsSWa4It5w28tR+6meW+FEhga/zImSiNRUiKIt1lbZufLXDYUaDAct40c3h
w/5TKGeRVBvbWi6aIj2wZ9+/FKLrexVruElX9v5oi0clGSgKa1zVQqDTT5SSltlk
phfWCX8+AXCZGQp+ZfKYBq4Ji2MwBCCYZopXwD1EKBCRLs12xNsa1hoIdDO+ewXM
YP/kDo3zbPCic6gMrZsv9JECQB5L8R6Lc4r+BlBig4UImD2ChlKmA2Xftyv/tI/5
Vqlh2KECgYEA+ZaRAR6lKi0HIxxsPbuOTBWwDeNOVSE4GkiXvhvdHu+mdwTmG6lh
rFGf5YwClwiUDUj5uMxUBcnvfoFy5k8q1gJtwtHwjYpYHprQOQC4jy80EhiAcY8t
IZeTKKiXOhjaT6RnrD5cQ1oVZwPGYFNhLKX26fuThQ1UD0BvmoTf6XMCgYEAyTUv
7KQdjyFR3/Xf+gw+v03indLfAkN+ytAtXt6xePOUb4bjrgFVl59qRAJLBujkgeoI
HuK1hhdYjraMOY5KHrmMZ0j5jXHaKTXvBveWgiKCiQO9W4MSeETCcOtSGF5wxgvG
qviG4D/eeJsLnKatGSqC23i04UVbQbeA2rESoX8CgYEAniZI9ZOshoAHsLjW4XsR
3KY1a2doAEtPWGA9Pqo7P9oM+gexoz9984m5LuO71GYMIirmibF3YD+nsNpnqwXp
F7hsQnFy4s0Rrzrby/Ln/1qivQCnis11hH6eMbo6MQcEdkivpJXTMp5HR4I91lWf
EoKLZZIS1NEwPYXP8fJWS38CgYAo/IKkq9GxpFHvU0CqyO/HPHBbQedXqLQdUEbN
uoNgZg3oogujGHZ9CmY1MFpkL/DMXgYFdJ0RkZPijmEGIGwM0jM9nunm3DhaiLgG
LU0leS4qBu79wzdx9F+/bNAuUp6aWS/BCBtBdwE0hDDbWkCMjdJWLsJ52Qz72AuR
gNyQtQKBgDjVjn+gmJ1HIDvSjgHibqHYRDlUIHgOoqUSo3LJdaxmvBtrxIWdlTA+
jERKcjkCrchoPhQ/sF3JqoXOX4yfYOPuozS0Mx+GV4WnxEz9Hmh8UqcmtEbZInBS
wNyJnm+vLHNxfvUnoU4SZVJf0oMCU6w8iL8QW8Xt3RBk7bM62Jxi
-----END RSA PRIVATE KEY-----
"""


def fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def random_text() -> str:
    return secrets.token_urlsafe(48)


# The first pattern that matches decides: (pattern of the name, value in the scratch copy, example for people).
KINDS: tuple[tuple[str, str | Callable[[], str], str], ...] = (
    (
        r"SENTRY.*DSN|^DSN$|RAVEN",
        "https://0123456789abcdef0123456789abcdef@127.0.0.1/1",
        "https://KEY@sentry.example/1",
    ),
    (r"RSA.*KEY|PRIVATE_KEY|_PEM$", rsa_key, '"$(openssl genrsa 2048)"'),
    (
        r"FERNET|ENCRYPTION_KEY|FIELD_KEY|CRYPTO.*KEY|ENCRYPT",
        fernet_key,
        '"$(openssl rand -base64 32 | tr +/ -_)"',
    ),
    (r"SECRET_KEY|SECRET$|SALT|SIGNING_KEY|JWT.*KEY", random_text, '"$(openssl rand -hex 32)"'),
    (
        r"DATABASE_URL|DB_URL|POSTGRES.*(URL|DSN)|PG_?URL",
        "@database",
        "postgres://user:password@127.0.0.1:5432/name",
    ),
    (r"(DB|DATABASE|SQL)_?ENGINE$", "django.db.backends.sqlite3", "django.db.backends.postgresql"),
    (r"(POSTGRES|PG|MYSQL|MARIADB|SQL|DATABASE|(^|_)DB).*(_DB|NAME|DATABASE)$", "placeholder", "shop"),
    (r"RABBIT|AMQP", "amqp://guest:guest@127.0.0.1:1//", "amqp://user:password@127.0.0.1:5672//"),
    (
        r"REDIS.*(URL|URI|LOCATION|DSN)|BROKER|CACHE_URL|RESULT_BACKEND|CELERY.*URL|CHANNEL.*URL",
        "redis://127.0.0.1:1/0",
        "redis://127.0.0.1:6379/0",
    ),
    (r"EMAIL_URL|SMTP_URL", "smtp://127.0.0.1:1", "smtp://user:password@mail.example:587"),
    (r"MONGO", "mongodb://127.0.0.1:1/placeholder", "mongodb://127.0.0.1:27017/name"),
    (r"ELASTIC.*URL|SEARCH_URL", "http://127.0.0.1:1", "http://127.0.0.1:9200"),
    (r"ADMIN_URL$|URL_PREFIX|_PATH_PREFIX", "placeholder/", "admin-7f3a/"),
    (
        r"PORT$|TIMEOUT|SECONDS|MAX_|_MAX|LIMIT|SIZE|COUNT|WORKERS|THREADS|AGE$|_DAYS|_HOURS|_DB$|_TTL|SITE_ID|NUM_",
        "1",
        "1",
    ),
    (
        r"^(DEBUG|USE_|IS_|HAS_|ENABLE|DISABLE|ALLOW_(?!ED))|_(ENABLED|DISABLED|DEBUG|SSL|TLS|SECURE|VERIFY)$|^TESTING$",
        "False",
        "False",
    ),
    (r"EMAIL_HOST_USER|EMAIL_HOST_PASSWORD", "placeholder", "user"),
    (r"HOSTS$|ALLOWED|DOMAINS$", "localhost", "www.shop.example"),
    (r"ORIGINS?$", "http://localhost", "https://www.shop.example"),
    (r"HOST(NAME)?$|DOMAIN|SERVER$", "localhost", "www.shop.example"),
    (
        r"(FROM|ADMIN|SERVER|CONTACT|SUPPORT|DEFAULT).*EMAIL|EMAIL$|_MAIL$",
        "nobody@localhost",
        "team@shop.example",
    ),
    (r"ADMINS|MANAGERS", "Nobody <nobody@localhost>", "Ann <ann@shop.example>"),
    (r"URL$|URI$|ENDPOINT|_URL_", "http://127.0.0.1:1/", "https://www.shop.example"),
    (r"BUCKET", "placeholder", "shop-media"),
    (r"REGION", "eu-west-1", "eu-west-1"),
    (r"TIME_?ZONE|^TZ$", "UTC", "UTC"),
    (r"LANGUAGE|LOCALE", "en", "en"),
    (r"LOG.*LEVEL|LEVEL$", "INFO", "INFO"),
    (r"PASSWORD|PASSWD|TOKEN|API_?KEY|ACCESS_?KEY|_KEY$|CREDENTIAL", random_text, "..."),
    (r"DIR$|PATH$|ROOT$|FOLDER$", "@folder", "/srv/shop/data"),
    (r"JSON|CONFIG$", "{}", "{}"),
)
PATTERNS = tuple((re.compile(pattern), value, example) for pattern, value, example in KINDS)


def placeholder(name: str, database: str, folder: str) -> str:
    """A value of the type that the name asks for; `database` and `folder` are those of the scratch copy."""
    value = kind_of(name)[0]
    if callable(value):
        return value()
    return {"@database": database, "@folder": folder}.get(value, value)


def example(name: str) -> str:
    return kind_of(name)[1]


def kind_of(name: str) -> tuple[str | Callable[[], str], str]:
    for pattern, value, shown in PATTERNS:
        if pattern.search(name.upper()):
            return value, shown
    return "placeholder", "..."


# Tried in turn where the first value was refused by what reads it.
SECOND_TRIES = ("1", "{}", "placeholder@localhost", "http://127.0.0.1:1/", "[]", "False")
