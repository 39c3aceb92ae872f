"""The facts of the site's page, written by root every half minute where the site's account may read them, and nobody else.

The page itself is served by the site's own processes (runtime/page.py), to superusers of its admin.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nuages.components.contract import Description, Directory, File, Placement, Unit
from nuages.components.templating import head, render
from nuages.release.layout import Layout


HERE = Path(__file__).parent
ROOMS = HERE.parent.parent
# Each runs on the host's Python as it is here.
PROGRAMS = ("pageside/snapshot.py", "dashboard/history.py", "hosts/agent.py", "hosts/agent_insight.py")
INSTEAD = "edit [dashboard] in nuages.toml"


def facts_of(layout: Layout) -> Path:
    return layout.shared("dashboard") / "facts.json"


def describe_page(placement: Placement) -> tuple[Description, ...]:
    topology, layout = placement.topology, placement.layout
    if not topology.dashboard.path:
        return ()
    programs = layout.dir / "page"
    service, timer = (f"/etc/systemd/system/{topology.name}-page.{kind}" for kind in ("service", "timer"))
    config = str(programs / "page.json")
    words = {
        "head": head(topology.name, INSTEAD),
        "site": topology.name,
        "python": placement.machine.python or "/usr/bin/python3",
        "program": str(programs / "snapshot.py"),
        "config": config,
        "to": str(facts_of(layout).parent),
    }
    return (
        Description(
            name="page",
            what=f"what {topology.dashboard.path} of the site shows to its superusers",
            directories=(
                Directory(str(programs), 0o755),
                Directory(str(facts_of(layout).parent), 0o750, "root", placement.account),
            ),
            files=(
                *(File(str(programs / Path(name).name), (ROOMS / name).read_text(encoding="utf-8")) for name in PROGRAMS),
                File(config, json.dumps(config_of(placement), indent=1) + "\n"),
                File(service, render(HERE, "page.service.j2", **words)),
                File(timer, render(HERE, "page.timer.j2", **words)),
            ),
            units=(Unit(timer.rpartition("/")[2], on=(timer,)),),
        ),
    )


def config_of(placement: Placement) -> dict[str, Any]:
    topology = placement.topology
    nginx = topology.services.proxy == "nginx"
    domain = topology.domains[0] if topology.domains else ""
    secure = bool((placement.policy.get("tls") or {}).get("enabled"))
    return {
        "site": topology.name,
        "environment": topology.environment,
        "host": placement.host.name,
        "dir": str(placement.layout.dir),
        "url": f"{'https' if secure else 'http'}://{domain}/" if domain else "",
        "log": f"/var/log/nginx/{topology.name}.access.log" if nginx else str(placement.layout.logs / "web.log"),
        "style": "nginx" if nginx else "gunicorn",
        "certificates": f"/etc/nuages/certs/{topology.name}",
        "to": str(facts_of(placement.layout)),
    }
