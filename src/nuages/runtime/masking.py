"""Values as people may see them: secrets never, long ones cut."""

from __future__ import annotations

import re


SECRET_NAME = re.compile(
    r"SECRET|PASSW|PASSPHRASE|TOKEN|API_?KEY|PRIVATE|SIGNING|CREDENTIAL|(^|_)(KEY|PASS|DSN)$|_KEY(S|_FALLBACKS)?$",
    re.IGNORECASE,
)
URL_PASSWORD = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^:/@\s]*:)[^@\s]+@", re.IGNORECASE)
HARMLESS = (
    "CSRF_COOKIE_NAME",
    "PASSWORD_HASHERS",
    "AUTH_PASSWORD_VALIDATORS",
    "PASSWORD_RESET_TIMEOUT",
    "KEY_PREFIX",
    "KEY_FUNCTION",
)
MASK = "***"
LONGEST = 400


def is_secret(name):
    name = str(name)
    return bool(SECRET_NAME.search(name)) and name.upper() not in HARMLESS


def masked(name, value):
    """`value` with every string under a secret's name, and every password in a URL, replaced."""
    if isinstance(value, dict):
        return {key: masked(key if isinstance(key, str) else name, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [masked(name, item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, (str, bytes)) and value and is_secret(name):
        return MASK
    if isinstance(value, str):
        return URL_PASSWORD.sub(lambda match: match.group("scheme") + MASK + "@", value)
    return value


def shown(name, value):
    """The repr for people."""
    try:
        text = repr(masked(name, value))
    except Exception as error:
        text = "<%s that has no repr: %s>" % (type(value).__name__, type(error).__name__)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
