"""The part of the audit that only the running project can answer: `run()` after django.setup(), settings in force.

Returns a list of dicts (id, severity, what, where, hint, group) that ends with {"id": "audit.ran"}. Never raises:
a check that fails becomes one finding of severity `unknown`. What each id means is in docs/reference/checks.md.
"""

from __future__ import annotations

import threading
import time
import warnings

from . import audit_migrations, audit_pages, audit_security, audit_state, audit_templates
from .audit_project import Project, finding, told


MODULES = (audit_templates, audit_pages, audit_state, audit_security, audit_migrations)
SECONDS = 60
LONGEST = 20


def run(root="", seconds=SECONDS):
    """Every check of every module in order, within `seconds` together."""
    project = Project(root, time.monotonic() + seconds)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in MODULES:
            for check in module.CHECKS:
                found.extend(guarded(check, project))
    return [
        *told_once(found),
        {"id": "audit.ran", "severity": "info", "what": "", "where": "", "hint": "", "group": "audit"},
    ]


def told_once(found):
    """An error page that can't be rendered is not told again as a template that does not compile."""
    pages = {f["where"] for f in found if f["id"] == "errors.N001"}
    return [f for f in found if f["id"] != "errors.N003" or f["where"].rpartition(":")[0] not in pages]


def guarded(check, project):
    """The findings of one check; in a thread, since a page or a command may wait for a service that never answers."""
    name = check.__name__.replace("_", " ")
    if project.late():
        return [finding("settings.N002", "unknown", "no time was left for the check: %s" % name)]
    found = []
    thread = threading.Thread(target=collect, args=(check, project, found), daemon=True)
    thread.start()
    thread.join(max(0.1, min(LONGEST, project.left())))
    if thread.is_alive():
        return [*found, finding("settings.N002", "unknown", "the check took too long: %s" % name)]
    return found


def collect(check, project, found):
    try:
        found.extend(check(project))
    except (Exception, SystemExit) as error:
        name = check.__name__.replace("_", " ")
        found.append(finding("settings.N002", "unknown", "the check could not run: %s (%s)" % (name, told(error))))
