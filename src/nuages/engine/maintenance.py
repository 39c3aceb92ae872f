"""The maintenance page by hand: under the site's lock, and in the journal of every host, as any change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nuages.engine.lock import deploy_lock
from nuages.engine.model import Plan, Step
from nuages.engine.ops import remove, write
from nuages.hosts import Hosts
from nuages.release.layout import Layout


def maintenance_plan(hosts: Hosts, layout: Layout, *, on: bool) -> Plan:
    """`shared/maintenance` is the page: while the file is there, visitors get it."""
    op = write(layout.maintenance, "by hand\n") if on else remove(layout.maintenance)
    word = "on" if on else "off"
    why = "visitors see the page in place of the site" if on else "visitors see the site"
    return Plan(tuple(Step("!" if on else "~", host.name, f"maintenance {word}", why, ops=(op,)) for host in hosts.all))


def set_maintenance(
    hosts: Hosts,
    layout: Layout,
    plan: Plan,
    *,
    agreed: Callable[[Plan], bool] = lambda _plan: True,
    report: Callable[[dict[str, Any]], None] = lambda _event: None,
) -> None:
    with deploy_lock(hosts.lead, layout, "maintenance") as token:
        if not agreed(plan):
            return
        for host, step in zip(hosts.all, plan.switch, strict=True):
            sent = {"text": str(step), "deploy": token, "ops": list(step.ops)}
            host.write([sent], str(layout.journal), report)
