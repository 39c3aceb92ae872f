"""The overlay: the project's settings in, production's out, each change with its reason.

A rule is a function that takes a View of the settings and yields (setting, new value, reason). Rules are split by
theme into overlay_*.py. They run in order, each seeing what the ones before it changed.
"""

from __future__ import annotations

import copy
import os

from . import masking
from .overlay_values import NOTE, kept_type


# Compared after django.setup(): a release in which one of them is not in force is refused.
READ_BACK = (
    "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASES", "CACHES", "STORAGES", "STATICFILES_STORAGE", "STATIC_ROOT",
    "MEDIA_ROOT", "MIDDLEWARE", "LOGGING", "TEMPLATES", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER",
    "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_ENGINE", "EMAIL_HOST", "EMAIL_TIMEOUT", "MAILERS", "ADMINS",
)  # fmt: skip


class View:
    """The settings as they are now: the project's, else Django's defaults, with earlier rules applied."""

    def __init__(self, values, policy, environ, early=()):
        import django
        from django.conf import global_settings

        self.own = dict(values)  # what the project itself says
        self.values = dict(values)
        self.defaults = {name: value for name, value in vars(global_settings).items() if name.isupper()}
        self.policy = policy
        self.environ = environ
        self.early = list(early)
        self.django = tuple(django.VERSION[:2])

    def get(self, name, fallback=None):
        if name in self.values:
            return self.values[name]
        return copy.deepcopy(self.defaults.get(name, fallback))

    def sets(self, name):
        """Does the project itself say anything about this setting?"""
        return name in self.own

    def env(self, name):
        return self.environ.get(name, "").strip()

    @property
    def domains(self):
        return [domain for domain in self.policy.get("domains") or () if domain]

    @property
    def tls(self):
        return bool((self.policy.get("tls") or {}).get("enabled"))

    @property
    def asgi(self):
        return self.policy.get("interface") == "asgi"

    def in_project(self, path):
        root = os.path.realpath(self.policy.get("project") or os.curdir)
        base = self.policy.get("manage_dir") or root
        real = os.path.realpath(os.path.join(base, os.fspath(path)))
        return real == root or real.startswith(root + os.sep)


class Result:
    """What the overlay came to."""

    def __init__(self):
        self.values = {}
        self.changes = []
        self.errors = []
        self.expected = {}


def rules():
    from . import (
        overlay_cache,
        overlay_core,
        overlay_data,
        overlay_files,
        overlay_http,
        overlay_logs,
        overlay_mail,
    )

    modules = (
        overlay_core,
        overlay_data,
        overlay_cache,
        overlay_files,
        overlay_http,
        overlay_mail,
        overlay_logs,
    )
    return [rule for module in modules for rule in module.RULES]


def apply(values, policy, environ, early=()):
    """Every rule over `values` -> Result. A rule that fails is noted, and the release will be refused for it."""
    view = View(values, policy, environ, early)
    result = Result()
    left = set(policy.get("leave") or ())
    overrides = dict(policy.get("overrides") or {})
    _note_early(result, early, left | set(overrides))
    for rule in rules():
        try:
            found = list(rule(view))
        except Exception as error:
            result.errors.append("%s: %s: %s" % (rule.__name__, type(error).__name__, error))
            continue
        for name, new, reason in found:
            if name not in left and name not in overrides:
                _change(view, result, name, new, reason)
    for name, new in overrides.items():
        _change(view, result, name, kept_type(view.get(name), new), "[settings] in nuages.toml says so")
    result.values = {name: value for name, value in view.values.items() if name not in view.own or value is not view.own[name]}
    _as_code(view, result)
    result.expected = {
        name: _copied(view.get(name)) for name in READ_BACK if (name in view.values or name == "DEBUG") and name not in left
    }
    return result


def _copied(value):
    """Django writes into DATABASES and others; what we expect must not change with them."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def _change(view, result, name, new, reason):
    old = view.get(name)
    if new is NOTE:
        result.changes.append(
            {
                "setting": name,
                "old": masking.shown(name, old),
                "new": masking.shown(name, old),
                "reason": reason,
                "note": True,
            }
        )
        return
    if name in view.values and type(view.values[name]) is type(new) and view.values[name] == new:
        return
    known = name in view.values or name in view.defaults
    view.values[name] = new
    row = {
        "setting": name,
        "old": masking.shown(name, old) if known else "",
        "new": masking.shown(name, new),
        "reason": reason,
    }
    earlier = next((change for change in result.changes if change["setting"] == name and not change.get("note")), None)
    if earlier is None:
        result.changes.append(row)
    else:
        earlier["new"] = row["new"]
        earlier["reason"] += "; " + reason


def _as_code(view, result):
    from . import overlay_code

    early = {item["setting"] for item in view.early}
    for change in result.changes:
        name = change["setting"]
        if name in view.values and not change.get("note"):
            old = overlay_code.ABSENT if name in early else view.own.get(name, overlay_code.ABSENT)
            change["code"] = overlay_code.code_of(name, old, view.values[name], view.environ)


def _note_early(result, early, untouched):
    for item in early:
        if item["setting"] not in untouched:
            where = "%s:%s" % (os.path.basename(item["file"]), item["line"])
            old, new = ("'***'", "'***'") if item["setting"] == "SECRET_KEY" else ("as written", "False")
            reason = "replaced before the settings ran (%s), since other settings are derived from it" % where
            same = [change for change in result.changes if change["setting"] == item["setting"]]
            if not same:
                result.changes.append({"setting": item["setting"], "old": old, "new": new, "reason": reason})


def marker_of(policy):
    return "%s:v%s:%s" % (policy.get("site", ""), policy.get("number", 0), policy.get("build", ""))


def read_back():
    """After django.setup(): what is not in force, as {"setting", "expected", "actual"}; empty is success."""
    from . import overlay_readback

    return overlay_readback.differences()
