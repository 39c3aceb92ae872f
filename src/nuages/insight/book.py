"""The book of errors that a site's processes keep (runtime/errorbook.py), asked on each host as the site's account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nuages.insight.model import ErrorCount
from nuages.release.layout import Layout
from nuages.topology.model import Topology


def question(topology: Topology, layout: Layout, *words: str) -> dict[str, Any]:
    """The program is the live release's own; it needs no more than the host's Python."""
    program = str(layout.current / "runtime" / "nuages_runtime" / "errorbook.py")
    argv = ["python3", "-I", "-S", program, str(layout / "errors"), *words]
    return {"kind": "command", "argv": argv, "user": topology.account, "timeout": 20}


def answered(answer: Mapping[str, Any]) -> Any:
    """None where there is no book: an older release, or no site."""
    if answer.get("status") != 0:
        return None
    try:
        return json.loads(answer["stdout"])
    except (KeyError, ValueError):
        return None


def counted(answers: Sequence[Mapping[str, Any]], release: int) -> ErrorCount | None:
    told = [found for answer in answers if (found := answered(answer)) is not None]
    if not told:
        return None
    ids = {ident for found in told for ident in found["open"]}
    new = {ident for found in told for ident, number in found["open"].items() if number == release and release > 1}
    return ErrorCount(len(ids), len(new), sum(found["hour"] for found in told))
