"""Entering the project: its settings and apps, and its own callable."""

from __future__ import annotations

import importlib
import os


def load_callable(path, factory):
    """`package.module:attribute` of the project; where it has none, what Django's factory makes."""
    module, _colon, attribute = (path or factory).partition(":")
    target = importlib.import_module(module)
    for name in (attribute or "application").split("."):
        target = getattr(target, name)
    return target if path else target()


def set_up():
    """django.setup(), as manage.py of this project would: django-configurations wants to be first."""
    if os.environ.get("DJANGO_CONFIGURATION"):
        try:
            import configurations
        except ImportError:
            pass
        else:
            configurations.setup()
            return
    import django

    django.setup()
