"""Known holes in the packages of the lock. A look-up that did not happen is unknown, never clean."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nuages.errors import HostError
from nuages.hosts.command import run
from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


SECONDS = 20.0


@check("dependencies.N001", "dependencies.N002")
def known_holes(context: Context) -> Iterator[Finding]:
    if not shutil.which("pip-audit"):
        yield skipped("pip-audit is not installed", "uv tool install pip-audit; it asks the advisory database of PyPI")
        return
    report, why = ask_pip_audit(context)
    if report is None:
        yield skipped(why)
        return
    yield from read_report(report)


def skipped(why: str, hint: str = "") -> Finding:
    return finding("dependencies.N002", "unknown", f"known holes were not looked up: {why}", hint=hint)


def ask_pip_audit(context: Context) -> tuple[dict[str, Any] | None, str]:
    """The report, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "requirements.txt")
        pins.write_text("".join(f"{name}=={version}\n" for name, version in context.project.environment.lock.versions.items()))
        command = run("pip-audit", "--requirement", str(pins), "--no-deps", "--disable-pip", "--format", "json",
                      "--progress-spinner", "off", "--timeout", "5", timeout=SECONDS)  # fmt: skip
        try:
            result = context.here.run(command)
        except HostError as error:
            return None, str(error)
    try:
        return dict(json.loads(result.stdout)), ""
    except (ValueError, TypeError):
        return None, result.tail(1) or "pip-audit gave no report"


def read_report(report: dict[str, Any]) -> Iterator[Finding]:
    """pip-audit says "No known vulnerabilities" when every package was skipped, so the skipped ones are counted."""
    packages = report.get("dependencies", [])
    missed = [p["name"] for p in packages if p.get("skip_reason")]
    if missed or not packages:
        yield skipped(f"{len(missed)} of {len(packages)} packages were skipped ({', '.join(missed[:5])})")
    for package in packages:
        holes = package.get("vulns") or []
        if not holes:
            continue
        ids = ", ".join((hole.get("aliases") or [hole.get("id")])[0] for hole in holes[:4])
        fixed = sorted({version for hole in holes for version in hole.get("fix_versions", [])})
        yield finding(
            "dependencies.N001",
            "warning",
            f"{package['name']} {package.get('version', '')} has {len(holes)} known hole{'s' if len(holes) > 1 else ''}: {ids}",
            where=package["name"],
            hint=f"fixed in {', '.join(fixed[:4])}" if fixed else "no fixed version yet",
        )
