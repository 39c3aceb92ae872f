"""Static files under names that carry a hash of their content.

collectstatic is strict: a stylesheet of the project's own that refers to a file that is not there stops the release.
It is tolerant where nobody can mend it: source maps, and what comes from packages or vendored folders.
Serving is tolerant: a name that is missing in the manifest is logged and answered unhashed; a page is worth more
than one picture. Stands alone: `nuages settings eject` copies it into projects.
"""

from __future__ import annotations

import logging
import os
import sys
from urllib.parse import unquote, urlsplit

from django.contrib.staticfiles.finders import FileSystemFinder, find
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage


logger = logging.getLogger("nuages.static")
VENDORED = {
    "vendor",
    "vendors",
    "vendored",
    "node_modules",
    "bower_components",
    "third_party",
    "third-party",
    "thirdparty",
    "lib",
    "libs",
    "plugins",
    "dist",
}
_told = set()


class Tolerant:
    """Mixed into a storage with a manifest."""

    manifest_strict = False

    def stored_name(self, name):
        """Before the manifest exists (code that calls static() at import time) and for what is missing in it: the plain name."""
        try:
            return super().stored_name(name)
        except (ValueError, OSError):
            if name not in _told and self.hashed_files:
                _told.add(name)
                logger.error("the static file %r is not in the release; a page refers to it", name)  # noqa: TRY400 - a traceback says nothing more
            return name

    def post_process(self, paths, dry_run=False, **options):
        """Stylesheets and scripts that are not UTF-8 are hashed as they are; Django would stop at them."""
        unreadable = (
            {}
            if dry_run
            else {name: place for name, place in paths.items() if name.endswith((".css", ".js", ".mjs")) and not _is_text(*place)}
        )
        yield from super().post_process(
            {name: place for name, place in paths.items() if name not in unreadable}, dry_run, **options
        )
        for name, (storage, path) in unreadable.items():
            with storage.open(path) as file:
                hashed = self.hashed_name(name, file)
                file.seek(0)
                if not self.exists(hashed):
                    hashed = self._save(hashed, file)
            self.hashed_files[self.hash_key(self.clean_name(name))] = self.clean_name(hashed)
            yield name, hashed, True
        if unreadable:
            self.save_manifest()

    def url_converter(self, name, *args, **kwargs):
        convert = super().url_converter(name, *args, **kwargs)

        def converter(match):
            try:
                return convert(match)
            except ValueError as error:
                target = unquote(urlsplit((match.groupdict().get("url") or match.group(0)).strip()).path)
                if target.endswith(".map") or third_party(name):
                    logger.info("%s refers to %s, which does not exist", name, target)
                    return match.group(0)
                raise ValueError("the static file %s refers to %s, which does not exist" % (name, target)) from error

        return converter


def _is_text(storage, path):
    with storage.open(path) as file:
        try:
            file.read().decode("utf-8")
        except UnicodeDecodeError:
            return False
    return True


def third_party(name):
    """Is this static file somebody else's: from a package, or vendored into the source?"""
    if VENDORED & set(name.lower().split("/")[:-1]) or ".min." in name:
        return True
    path = find(name)
    path = path[0] if isinstance(path, (list, tuple)) and path else path
    if not path:
        return True
    real = os.path.realpath(path)
    return "site-packages" in real or "dist-packages" in real or real.startswith(os.path.realpath(sys.prefix) + os.sep)


class HashedStaticStorage(Tolerant, ManifestStaticFilesStorage):
    """In place of Django's own two."""


class CompressedLater:
    """Mixed into WhiteNoise's own: the release compresses what collectstatic wrote, each content once for all of them."""

    def compress_files(self, *args, **kwargs):
        if "NUAGES_RELEASE" not in os.environ:
            yield from super().compress_files(*args, **kwargs)


class CommittedStaticFinder(FileSystemFinder):
    """Some projects commit what collectstatic (or a front-end build) wrote into STATIC_ROOT. Asked last."""

    def __init__(self, app_names=None, *args, **kwargs):
        from django.conf import settings

        root = getattr(settings, "NUAGES_COMMITTED_STATIC", "")
        self.locations = [("", root)]
        self.storages = {root: FileSystemStorage(location=root)}
        self.storages[root].prefix = ""

    def check(self, **kwargs):
        return []

    def list(self, ignore_patterns):
        for path, storage in super().list([*(ignore_patterns or []), "staticfiles.json", "*.gz", "*.br"]):
            yield path, storage


def __getattr__(name):
    """Only where whitenoise is installed."""
    if name != "HashedWhiteNoiseStorage":
        raise AttributeError(name)
    from whitenoise.storage import CompressedManifestStaticFilesStorage

    made = type(name, (Tolerant, CompressedLater, CompressedManifestStaticFilesStorage), {"__module__": __name__})
    globals()[name] = made
    return made
