"""Is the overlay in force? It loads without error, and does nothing, more often than one would think."""

from __future__ import annotations

import sys

from . import masking


def differences():
    from django.apps import apps
    from django.conf import settings

    from .hook import MARKER, RECORD

    found = [_row("(overlay)", "every rule applied", error) for error in RECORD["errors"]]
    if not RECORD["marker"]:
        return [
            *found,
            _row(
                "(overlay)",
                "laid over the settings module",
                "the settings module was never loaded through it",
            ),
        ]
    if getattr(settings, MARKER, None) != RECORD["marker"]:
        found.append(_row("(overlay)", RECORD["marker"], getattr(settings, MARKER, None)))
    for name, expected in RECORD["expected"].items():
        actual = getattr(settings, name, None)
        if not _equal(name, expected, actual):
            found.append(_row(name, masking.shown(name, expected), masking.shown(name, actual)))
    return found + _apps(apps, settings) + _templates(settings, RECORD) + _module(RECORD)


def _apps(apps, settings):
    if not settings.INSTALLED_APPS:
        return [_row("INSTALLED_APPS", "some", "none: settings were read before they were complete")]
    if not apps.ready:
        return [_row("(apps)", "ready", "not ready")]
    if not list(apps.get_app_configs()):
        return [_row("(apps)", "%s apps" % len(settings.INSTALLED_APPS), "none loaded")]
    return []


def _templates(settings, record):
    if "DEBUG" in record["expected"] and record["expected"]["DEBUG"] is not False:
        return []
    wrong = [index for index, engine in enumerate(settings.TEMPLATES) if (engine.get("OPTIONS") or {}).get("debug") is True]
    return [_row("TEMPLATES[%s]['OPTIONS']['debug']" % index, "False", "True") for index in wrong]


def _module(record):
    """Code that imports the settings module directly must see the same; what neither of us sets is not in it."""
    held = vars(sys.modules.get(record["module"], sys))
    names = [name for name in ("DEBUG", "ALLOWED_HOSTS", "DATABASES") if name in record["expected"] and name in held]
    return [
        _row(
            "%s.%s" % (record["module"], name),
            masking.shown(name, record["expected"][name]),
            masking.shown(name, held[name]),
        )
        for name in names
        if not _equal(name, record["expected"][name], held[name])
    ]


def _equal(name, expected, actual):
    """Django and connections fill entries in (DATABASES gets its defaults): what we expect must be in it."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and _equal(name, value, actual[key]) for key, value in expected.items())
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return len(expected) == len(actual) and all(_equal(name, one, other) for one, other in zip(expected, actual))
    if name == "STATIC_URL":
        return str(actual).endswith(str(expected))
    return bool(expected == actual) or _same_kind(expected, actual)


def _same_kind(expected, actual):
    """What is expected was copied: an object that can't be compared (a log formatter) equals its copy by kind only."""
    kind = type(expected)
    return kind is type(actual) and kind.__eq__ is object.__eq__


def _row(setting, expected, actual):
    return {"setting": setting, "expected": str(expected), "actual": str(actual)}
