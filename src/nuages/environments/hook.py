"""The hook that every environment gets: a constant, so that environments don't depend on releases.

Inert without NUAGES_RELEASE. With it, the release's own runtime is put first on sys.path and takes over from there.
It runs when any Python of the environment starts (gunicorn, celery, cron, manage.py), so it must not print, and a
release that is gone must not stop a Python from starting.
"""

from __future__ import annotations


PTH = 'import os; os.environ.get("NUAGES_RELEASE") and __import__("_nuages_hook").install()\n'
START = "_nuages_hook:install\n"  # PEP 829: from Python 3.15 on, in place of the line above
HOOK = '''\
"""Loads the production settings of the release that NUAGES_RELEASE names; without it, does nothing."""
import os
import sys

_installed = []


def install():
    release = os.environ.get("NUAGES_RELEASE")
    if not release or _installed:
        return
    runtime = os.path.join(release, "runtime")
    if not os.path.isfile(os.path.join(runtime, "nuages_runtime", "hook.py")):
        return
    _installed.append(runtime)
    if runtime not in sys.path:
        sys.path.insert(0, runtime)
    from nuages_runtime import hook

    hook.install()
'''
FILES = {"nuages.pth": PTH, "nuages.start": START, "_nuages_hook.py": HOOK}
