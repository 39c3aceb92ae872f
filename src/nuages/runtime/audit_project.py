"""What the checks of the audit share: the project's root, its policy, its time, and the shape of a finding."""

from __future__ import annotations

import json
import os
import sys
import time


NOT_OURS = ("site-packages", "dist-packages", "node_modules", ".venv", "venv", ".tox", "bower_components")


class Project:
    def __init__(self, root="", deadline=float("inf")):
        self.policy = read_policy()
        self.root = os.path.realpath(root or self.policy.get("project") or os.getcwd())
        self.deadline = deadline
        self._prefix = os.path.realpath(sys.prefix)
        self._runtime = os.path.dirname(os.path.realpath(__file__))

    def late(self):
        return time.monotonic() > self.deadline

    def left(self):
        return self.deadline - time.monotonic()

    def owns(self, path):
        """Is this file written by the project, and not by a package it installs or by us?"""
        full = os.path.realpath(str(path))
        if not full.startswith(self.root + os.sep):
            return False
        if full.startswith((self._runtime + os.sep, self._prefix + os.sep)) and self._prefix != self.root:
            return False
        return not any(part in NOT_OURS for part in full[len(self.root) :].split(os.sep))

    def relative(self, path):
        full = os.path.realpath(str(path))
        return os.path.relpath(full, self.root) if full.startswith(self.root + os.sep) else str(path)


def read_policy():
    try:
        with open(os.path.join(os.environ.get("NUAGES_RELEASE", ""), "policy.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def finding(check_id, severity, what, where="", hint=""):
    group = check_id.partition(".")[0]
    return {"id": check_id, "severity": severity, "what": what, "where": where, "hint": hint, "group": group}


def listed(names, most=5):
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (" and %d more" % (len(names) - most) if len(names) > most else "")


def told(error):
    """An exception in one short line."""
    return " ".join(("%s: %s" % (type(error).__name__, error)).split())[:300]
