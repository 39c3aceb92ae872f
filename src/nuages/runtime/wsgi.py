"""What the app server calls: request id > health > media > static > the project's own callable."""

from __future__ import annotations

from nuages_runtime.proof import read_policy, report_failed_import


def load_callable(path, default):
    """`package.module:attribute`; the project's own file, or Django's where it has none."""
    if not path:
        return default()
    import importlib

    module, _colon, attribute = path.partition(":")
    target = importlib.import_module(module)
    for name in (attribute or "application").split("."):
        target = getattr(target, name)
    return target


def _django():
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def build(policy):
    return load_callable(policy.get("wsgi"), _django)


try:
    application = build(read_policy())
except BaseException as error:
    report_failed_import(error)
    raise
