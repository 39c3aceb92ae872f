"""A small write outside a deploy: a configuration kept for the first one."""

from __future__ import annotations

import json

from nuages.engine.lock import deploy_lock
from nuages.hosts.transport import Transport
from nuages.release.layout import Layout
from nuages.settings.configuration import Configuration


def keep_configuration(here: Transport, layout: Layout, config: Configuration) -> None:
    """Write a config version that no release refers to yet."""
    path = layout.config(config.version)
    ops = [
        {"op": "mkdir", "path": str(layout.dir), "mode": 0o755},
        {"op": "mkdir", "path": str(path.parent), "mode": 0o700},
        {"op": "file", "path": str(path), "content": json.dumps(config.as_dict(), indent=1), "mode": 0o600},
    ]
    ops += [
        {"op": "file", "path": str(layout.shared("config-files") / name), "content": text, "mode": 0o600}
        for name, text in config.files.items()
    ]
    with deploy_lock(here, layout, "config") as token:
        step = {"text": f"+ localhost  config v{config.version}", "deploy": token, "ops": ops}
        here.write([step], str(layout.journal), lambda _event: None)
