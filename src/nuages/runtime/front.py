"""What is answered before the project is asked: health, static files, maintenance, uploads. WSGI and ASGI share it."""

from __future__ import annotations

from nuages_runtime import bounded, page, patient
from nuages_runtime.forwarded import Forwarded
from nuages_runtime.health import Health
from nuages_runtime.maintenance import Maintenance


class Front:
    def __init__(self, policy):
        patient.install()
        bounded.install(policy)
        self.forwarded = Forwarded(policy.get("trusted_proxies"))
        self.health = Health(policy)
        self.maintenance = Maintenance(policy)
        self.page = page.from_policy(policy)
        self.serve(_optional("static", policy), _optional("media", policy))

    def serve(self, static, media):
        self.static, self.media = static, media
        self.first = [part for part in (self.page, static) if part is not None]
        # Where paths of ours begin: every other one costs one comparison.
        self.prefixes = ("/-/", *(part.prefix for part in (static, media, self.page) if part is not None))

    def answer(self, method, path, environ):
        """A Response, or None where the project answers."""
        if not path.startswith(self.prefixes):
            return self.maintenance.answer(method, path, environ)
        if path.startswith("/-/"):
            found = self.health.answer(method, path, environ)
            if found is not None:
                return found
        for part in self.first:
            if path.startswith(part.prefix):
                found = part.answer(method, path, environ)
                if found is not None:
                    return found
        found = self.maintenance.answer(method, path, environ)
        if found is not None:
            return found
        if self.media is not None and path.startswith(self.media.prefix):
            return self.media.answer(method, path, environ)
        return None

    def may_block(self, path):
        """Whether an answer of ours reads disks or databases: an event loop asks in a thread."""
        return path.startswith(self.prefixes)


def _optional(name, policy):
    """A WSGI project without configured Django settings, or a stack without WhiteNoise, has no such part."""
    import importlib

    try:
        from django.conf import settings

        if not settings.configured:
            settings.STATIC_URL  # noqa: B018 - loads them, or says that there are none
        return importlib.import_module("nuages_runtime." + name).from_settings(policy)
    except ImportError:
        return None
    except Exception as error:
        if type(error).__name__ == "ImproperlyConfigured":
            return None
        raise
