"""The list of files that a build is put together from: none lies outside, none is reached through a link of the build's own."""

import json
import os
import re

from agent_server import piece_path
from beneath import LARGEST, Refused, opened, text
from contents import DIGEST, manifest, relative


TOP = ("source", "runtime", "static", "writable", "manifest.json")  # folders, and that file, that later steps walk
MODES = (0o644, 0o755)


def check(site, build, listed):
    """`listed` is the digest of a piece. Returns the list itself, so that what was judged is what is laid out."""
    entries = json.loads(piece(site, listed))
    if not isinstance(entries, list):
        raise Refused("a build's list of files is no list", person=False, hint="")
    links = set()
    for name, kind, what, mode in entries:
        relative(name)
        if kind == "l":
            _link(site, build, name, what)
            links.add(name)
        elif kind == "f":
            _digest(what)
            if mode not in MODES:
                raise Refused("%.80s has the mode %o" % (name, mode), person=False, hint="")
        elif kind != "d" or mode != MODES[1]:
            raise Refused("%.80s is no file, link or folder" % name, person=False, hint="")
    _not_through(entries, links)
    _manifest(site, build, entries)
    return entries


def _digest(value):
    if not isinstance(value, str) or not re.fullmatch(DIGEST, value):
        raise Refused("%.80r is no digest" % (value,), person=False, hint="")


def _link(site, build, name, target):
    """It leads within the build, or to where the site keeps what it writes and its files of configuration."""
    text(target, 4096)
    base = os.path.join(site.dir, "releases", build)
    leads = os.path.normpath(os.path.join(base, os.path.dirname(name), target))
    own = (base, site.dir + "/shared/files", site.dir + "/shared/config-files")
    if name in TOP or name.startswith("static/") or not leads.startswith(tuple(path + "/" for path in own)):
        hint = "a build's links lead within it: take this one out of the project"
        raise Refused("%.80s is a link to %.80s, and leads out of the build" % (name, target), hint, person=False)


def _not_through(entries, links):
    for name, _kind, _what, _mode in entries:
        parent = os.path.dirname(name)
        while parent:
            if parent in links:
                raise Refused("%.80s lies behind the link %.80s" % (name, parent), person=False, hint="")
            parent = os.path.dirname(parent)
    names = [entry[0] for entry in entries]
    if len(names) != len(set(names)):
        raise Refused("a build's list names a file twice", person=False, hint="")


def _manifest(site, build, entries):
    found = [what for name, kind, what, _mode in entries if name == "manifest.json" and kind == "f"]
    if len(found) != 1:
        raise Refused("a build without a manifest", person=False, hint="")
    manifest(site, piece(site, found[0]), build)


def piece(site, digest):
    _digest(digest)
    try:
        with opened(site.dir, piece_path(site.store, digest)[len(site.dir) + 1 :]) as file:
            return file.read(LARGEST)
    except OSError:
        hint = "run the same command again: it is sent then"
        raise Refused("piece %s is not in the store" % digest[:12], hint, person=False) from None
