"""Static files and uploads."""

from __future__ import annotations

import copy
import os

from .overlay_values import NOTE, kept_type


HASHED = "nuages_runtime.storage.HashedStaticStorage"
HASHED_WHITENOISE = "nuages_runtime.storage.HashedWhiteNoiseStorage"
COMMITTED = "nuages_runtime.storage.CommittedStaticFinder"
LOCAL = "django.core.files.storage.FileSystemStorage"
STATIC = "django.contrib.staticfiles.storage."
REPLACED = {
    STATIC + "StaticFilesStorage": HASHED,
    STATIC + "ManifestStaticFilesStorage": HASHED,
    STATIC + "CachedStaticFilesStorage": HASHED,
    "whitenoise.storage.CompressedManifestStaticFilesStorage": HASHED_WHITENOISE,
    "whitenoise.django.GzipManifestStaticFilesStorage": HASHED,
}


def static_root(view):
    old = view.get("STATIC_ROOT")
    if old and view.in_project(old) and _holds_files(view, old) and COMMITTED not in (view.get("STATICFILES_FINDERS") or ()):
        finders = view.get("STATICFILES_FINDERS") or []
        yield (
            "STATICFILES_FINDERS",
            kept_type(finders, [*finders, COMMITTED]),
            "STATIC_ROOT holds files in the source; they fill what the other finders don't have",
        )
        yield (
            "NUAGES_COMMITTED_STATIC",
            os.path.join(view.policy.get("manage_dir") or "", os.fspath(old)),
            "see STATICFILES_FINDERS",
        )
    new = view.policy.get("static_root")
    if new:
        yield "STATIC_ROOT", kept_type(old, new), "collected once into the release"


def _holds_files(view, path):
    path = os.path.join(view.policy.get("manage_dir") or "", os.fspath(path))
    sources = [
        os.path.realpath(os.path.join(view.policy.get("manage_dir") or "", os.fspath(_folder(each))))
        for each in view.get("STATICFILES_DIRS") or ()
    ]
    return os.path.isdir(path) and bool(os.listdir(path)) and os.path.realpath(path) not in sources


def _folder(entry):
    return entry[1] if isinstance(entry, (list, tuple)) else entry


def static_url(view):
    url = view.get("STATIC_URL")
    if not url and "django.contrib.staticfiles" in (view.get("INSTALLED_APPS") or ()):
        yield "STATIC_URL", "/static/", "the project has none"
    elif url and not url.startswith(("/", "http://", "https://")) and not view.get("FORCE_SCRIPT_NAME"):
        yield "STATIC_URL", "/" + url, "absolute, so that pages at every depth find it"


def static_storage(view):
    alias = _static_alias(view)
    backend = alias.get("BACKEND", "")
    new, reason = REPLACED.get(backend), "names carry a hash of the content, so browsers keep files for ever"
    if new is None:
        new, reason = backend, _why_left(backend)
    if view.django < (4, 2):
        yield "STATICFILES_STORAGE", (new if new != backend else NOTE), reason
        return
    if view.django < (5, 1) and view.sets("STATICFILES_STORAGE") and not view.sets("STORAGES"):
        # Django refuses both at once, and DEFAULT_FILE_STORAGE beside STORAGES as well.
        yield "STATICFILES_STORAGE", (new if new != backend else NOTE), reason
        return
    if view.django < (5, 1) and view.sets("DEFAULT_FILE_STORAGE") and not view.sets("STORAGES"):
        yield "STATICFILES_STORAGE", new, reason
        return
    storages = copy.copy(view.get("STORAGES") or {})
    if view.sets("STATICFILES_STORAGE"):
        reason += "; STATICFILES_STORAGE does nothing since Django 5.1, translated"
    if new == backend and storages.get("staticfiles") == alias:
        yield "STORAGES", NOTE, reason
        return
    storages["staticfiles"] = {**alias, "BACKEND": new}
    yield "STORAGES", storages, reason


def _static_alias(view):
    """What the project means, also where its Django no longer listens."""
    old_style = view.own.get("STATICFILES_STORAGE")
    own = view.own.get("STORAGES") or {}
    if old_style and not own.get("staticfiles"):
        return {"BACKEND": old_style}
    if own.get("staticfiles"):
        return dict(own["staticfiles"])
    return {"BACKEND": STATIC + "StaticFilesStorage"}


def _why_left(backend):
    if backend.startswith("storages.") or "s3" in backend.lower():
        return "static files go to the project's own remote storage"
    return "the project's own storage of static files is kept"


def default_storage(view):
    """STORAGES replaces Django's default as a whole: one without "default" leaves uploads without a home."""
    storages = view.get("STORAGES")
    if view.django < (4, 2) or not (view.sets("STORAGES") or "STORAGES" in view.values) or "default" in storages:
        return
    backend = view.own.get("DEFAULT_FILE_STORAGE") or LOCAL
    yield (
        "STORAGES",
        {"default": {"BACKEND": backend}, **storages},
        "it had no 'default', without which uploads fail",
    )


def media_root(view):
    old = view.get("MEDIA_ROOT")
    new = view.policy.get("media_root")
    if not new:
        return
    if old and not view.in_project(old) and os.path.isdir(old) and os.access(old, os.W_OK):
        yield "MEDIA_ROOT", NOTE, "stays where the project puts it, outside of the source"
        return
    if old and os.path.realpath(old) == os.path.realpath(new):
        return
    yield (
        "MEDIA_ROOT",
        kept_type(old, new),
        "uploads live beside the releases, so that a deploy never touches them",
    )
    if old:
        yield from _moved_along(view, os.path.join(view.policy.get("manage_dir") or "", os.fspath(old)), new)


def _moved_along(view, old, new):
    """Settings derived from MEDIA_ROOT (thumbnails, protected files) follow it."""
    for name, value in view.own.items():
        if name in ("MEDIA_ROOT", "STATIC_ROOT", "BASE_DIR") or not isinstance(value, (str, os.PathLike)) or not str(value):
            continue
        text = os.fspath(value)
        if isinstance(text, str) and (text.rstrip("/") == old.rstrip("/") or text.startswith(old.rstrip("/") + os.sep)):
            yield (
                name,
                kept_type(value, new + text[len(old.rstrip("/")) :]),
                "is under MEDIA_ROOT and follows it",
            )
    storages = view.get("STORAGES") if view.django >= (4, 2) else {}
    moved = {}
    for alias, entry in (storages or {}).items():
        location = (entry.get("OPTIONS") or {}).get("location") if isinstance(entry, dict) else None
        if isinstance(location, (str, os.PathLike)) and os.fspath(location).startswith(old.rstrip("/")):
            place = kept_type(location, new + os.fspath(location)[len(old.rstrip("/")) :])
            moved[alias] = {**entry, "OPTIONS": {**entry["OPTIONS"], "location": place}}
    if moved:
        yield "STORAGES", {**storages, **moved}, "locations under MEDIA_ROOT follow it"


RULES = (static_root, static_url, static_storage, default_storage, media_root)
