"""While the maintenance file exists, everything but health, static files and the proof of a new release is answered with 503."""

from __future__ import annotations

import os
import time

from nuages_runtime.response import of_bytes


PAGE = b"<!doctype html><meta charset=utf-8><title>Back soon</title><h1>Back soon</h1><p>This site is being maintained."
RETRY_AFTER = "120"


class Maintenance:
    def __init__(self, policy):
        self.file = policy.get("maintenance_file") or _beside(policy)
        self.looked = -1.0
        self.on = False

    def answer(self, method, path, environ):
        now = time.monotonic()
        if now - self.looked >= 1.0:
            self.looked = now
            self.on = bool(self.file) and os.path.exists(self.file)
        if not self.on or "nuages.proof" in environ:  # else no release could be proved behind the page
            return None
        headers = [("Retry-After", RETRY_AFTER), ("Cache-Control", "no-store")]
        return of_bytes(503, "text/html; charset=utf-8", read_page(), headers, method)


def _beside(policy):
    """S/shared/maintenance, next to S/shared/media."""
    media = policy.get("media_root")
    return os.path.join(os.path.dirname(media.rstrip("/")), "maintenance") if media else None


def read_page():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pages", "maintenance.html")
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return PAGE
