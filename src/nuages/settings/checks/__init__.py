"""The audit: is this project fit for production? Small checks, each with an id, a severity and a way out.

Severity is about this site with our production settings in force: an `error` breaks it or leaks and stops a deploy,
a `warning` should be looked at, an `info` is good to know, and `unknown` is a question that could not be asked.
"""

from nuages.settings.checks.audit import run_checks
from nuages.settings.checks.catalog import CATALOG
from nuages.settings.checks.report import anchor, as_json, exit_code, render, summary


__all__ = ["CATALOG", "anchor", "as_json", "exit_code", "render", "run_checks", "summary"]
