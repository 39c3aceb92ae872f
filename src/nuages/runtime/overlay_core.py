"""DEBUG, the secret key, templates and the error pages."""

from __future__ import annotations

import json
import os

from .overlay_values import NOTE


DJANGO_TEMPLATES = "django.template.backends.django.DjangoTemplates"
CACHED = "django.template.loaders.cached.Loader"
PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pages")
# The key also encrypts rows: a new key makes them unreadable.
ENCRYPTING = (
    "encrypted_model_fields",
    "django_cryptography",
    "fernet_fields",
    "encrypted_fields",
    "django_fernet",
    "mirage",
    "encrypted_json_fields",
    "cryptography_fields",
)


def debug_off(view):
    if view.get("DEBUG") is not False:
        yield "DEBUG", False, "tracebacks with settings in them are for developers"
    if view.sets("TEMPLATE_DEBUG") and view.get("TEMPLATE_DEBUG"):
        yield "TEMPLATE_DEBUG", False, "follows DEBUG"
    if view.get("DEBUG_PROPAGATE_EXCEPTIONS"):
        yield (
            "DEBUG_PROPAGATE_EXCEPTIONS",
            False,
            "error pages are for visitors; with it on, the server's own bare one is shown",
        )


def secret_key(view):
    generated = view.env("NUAGES_SECRET_KEY")
    key = view.get("SECRET_KEY")
    if not generated:
        return
    if key and key != generated and _from_environment(view, key):
        yield "SECRET_KEY", NOTE, "yours, from the environment"
        return
    encrypting = [app for app in ENCRYPTING if any(str(name).split(".")[0] == app for name in view.get("INSTALLED_APPS") or ())]
    warning = "; CAREFUL: %s encrypts rows with it, keep it (nuages config set)" % encrypting[0] if encrypting else ""
    why = "generated once and kept out of the source" if key else "the project has none; generated once"
    yield "SECRET_KEY", generated, why + warning
    fallbacks = _json_list(view.env("NUAGES_SECRET_KEY_FALLBACKS"))
    own = list(view.get("SECRET_KEY_FALLBACKS") or [])
    if fallbacks and view.django >= (4, 1):
        yield (
            "SECRET_KEY_FALLBACKS",
            own + [old for old in fallbacks if old not in own],
            "sessions signed with the key before the rotation stay valid",
        )


def _from_environment(view, key):
    """The value of a variable, or the content of a file that a variable names (as Docker's secrets are)."""
    for name, value in view.environ.items():
        if value == key:
            return True
        if name.endswith(("_FILE", "_PATH")) and "SECRET" in name and os.path.isfile(value):
            with open(value, encoding="utf-8", errors="replace") as file:
                if file.read(4096).strip() == key:
                    return True
    return False


def _json_list(text):
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def templates(view):
    """Template debug off, loaders cached, and our error pages behind every template of the project's own."""
    old = list(view.get("TEMPLATES") or [])
    new = [_production_engine(engine) for engine in old]
    if new != old:
        yield (
            "TEMPLATES",
            _like(view.get("TEMPLATES"), new),
            "compiled templates are kept in memory; template debug is off",
        )
    if not any(PAGES in (engine.get("DIRS") or ()) for engine in new if isinstance(engine, dict)):
        pages = {
            "BACKEND": DJANGO_TEMPLATES,
            "NAME": "nuages_pages",
            "DIRS": [PAGES],
            "APP_DIRS": False,
            "OPTIONS": {},
        }
        yield (
            "TEMPLATES",
            _like(view.get("TEMPLATES"), [*new, pages]),
            "error pages for those that the project has none of; asked last",
        )


def _production_engine(engine):
    if not isinstance(engine, dict) or not str(engine.get("BACKEND", "")).endswith("DjangoTemplates"):
        return engine
    options = dict(engine.get("OPTIONS") or {})
    if options.get("debug"):
        options["debug"] = False
    loaders = options.get("loaders")
    if loaders and not any(_name(loader) == CACHED for loader in loaders):
        options["loaders"] = [(CACHED, list(loaders))]
    return engine if options == (engine.get("OPTIONS") or {}) else {**engine, "OPTIONS": options}


def _name(loader):
    return loader[0] if isinstance(loader, (list, tuple)) and loader else loader


def _like(old, new):
    return tuple(new) if isinstance(old, tuple) else new


RULES = (debug_off, secret_key, templates)
