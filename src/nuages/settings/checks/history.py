"""Secrets that were taken out of the tree but are in the git history still."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

from nuages.errors import HostError
from nuages.hosts.command import run
from nuages.settings.checks.patterns import ROUGHLY, SAMPLE_PATHS, secrets_in
from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


SECONDS = 10.0
MOST = 10
HINT = "revoke it where it was issued; rewriting the history does not reach the clones that exist"

# Where people write secrets. Asking every file ever (bundles, catalogs) takes minutes in some repositories; this, about a second.
WHERE = ("*.py", "*.env", "*.env.*", ".env*", "*.yml", "*.yaml", "*.toml", "*.ini", "*.cfg", "*.conf", "*.sh", "*.txt", "*.pem",
         "*.key", "*id_rsa*", "*id_ed25519*", "*secret*", "*credential*", "*Dockerfile*", "*Procfile*", "*.service", "*.ipynb")  # fmt: skip
LOG = ("log", "--all", "-p", "-U2", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "-G", ROUGHLY,
       "--diff-filter=AM", "--format=commit %h", "--", *WHERE)  # fmt: skip


@check("secrets.N004", "secrets.N005")
def secrets_in_history(context: Context) -> Iterator[Finding]:
    source = context.source
    if not source.in_git:
        return
    if (source.git("rev-parse", "--is-shallow-repository") or "").strip() == "true":
        yield not_searched("the clone is shallow", "git fetch --unshallow")
        return
    by_gitleaks = gitleaks(context) if shutil.which("gitleaks") else None
    if by_gitleaks is not None:
        yield from by_gitleaks
        return
    log = source.git(*LOG, timeout=SECONDS)
    if log is None:
        yield not_searched(f"it took longer than {SECONDS:g} s or git refused", "install gitleaks, which nuages then uses")
        return
    yield from read_log(log, set(source.tracked), source.text)


def not_searched(why: str, hint: str) -> Finding:
    return finding("secrets.N005", "unknown", f"the git history was not searched for secrets: {why}", hint=hint)


def read_log(log: str, tracked: set[str], text_of: object) -> Iterator[Finding]:
    """Findings of added lines in `git log -p`; what the tree still holds is told by secrets.N002."""
    commit, path, added = "", "", []  # type: tuple[str, str, list[str]]
    seen: set[tuple[str, str]] = set()

    def told() -> Iterator[Finding]:
        if not path or SAMPLE_PATHS.search(path):
            return
        still = {what for what, _ in secrets_in(text_of(path))} if path in tracked and callable(text_of) else set()
        for what, _ in secrets_in("\n".join(added)):
            if what not in still and (what, path) not in seen and len(seen) < MOST:
                seen.add((what, path))
                yield finding(
                    "secrets.N004",
                    "warning",
                    f"{what} is in the git history",
                    where=f"{path} at {commit}",
                    hint=HINT,
                )

    for line in log.splitlines():
        if line.startswith(("commit ", "diff --git ")):
            yield from told()
            path, added = "", []
            commit = line.removeprefix("commit ") if line.startswith("commit ") else commit
        elif line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/")
        elif line.startswith("+"):
            added.append(line[1:])
    yield from told()


def gitleaks(context: Context) -> list[Finding] | None:
    """What gitleaks finds in the history, or None when it fails."""
    command = run("gitleaks", "detect", "--source", str(context.root), "--report-format", "json", "--report-path", "-",
                  "--redact", "--no-banner", "--exit-code", "0", "--log-level", "error", timeout=6 * SECONDS)  # fmt: skip
    try:
        result = context.here.run(command)
        found = json.loads(result.stdout) if result.ok else None
    except (HostError, ValueError):
        return None
    if not isinstance(found, list):
        return None
    kept = [leak for leak in found if not SAMPLE_PATHS.search(str(leak.get("File", "")))]
    return [
        finding("secrets.N004", "warning", f"{leak.get('Description') or leak.get('RuleID')} (gitleaks)",
                where=f"{leak.get('File')} at {str(leak.get('Commit', ''))[:10]}", hint=HINT)
        for leak in kept[:MOST]
    ]  # fmt: skip
