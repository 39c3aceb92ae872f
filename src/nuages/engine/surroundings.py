"""The questions that were put to a server the last time, kept on this machine: asked again at first contact, they spare a
round trip where nothing changed. Losing them costs no more than that."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nuages.release.layout import store_layout
from nuages.topology.model import Topology


Questions = Mapping[str, Mapping[str, Any]]


def remembered(topology: Topology, host: str) -> Questions:
    if not topology.remote:
        return {}
    try:
        found: Questions = json.loads(_file(topology, host).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def remember(topology: Topology, host: str, questions: Questions) -> None:
    path = _file(topology, host)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(questions), encoding="utf-8")
    partial.replace(path)


def _file(topology: Topology, host: str) -> Path:
    """A host of a lab may have the same name."""
    address = next((each.address for each in topology.hosts if each.name == host), "")
    place = hashlib.sha256(f"{address} {topology.hosts[0].ssh_config}".encode()).hexdigest()[:8]
    return store_layout(topology).cache / "asked" / f"{host}-{place}.json"
