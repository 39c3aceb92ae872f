"""For tests of what is built on Nuages: a pretend host, and values of every stage for a site called shop.

`FakeTransport` stands where a host would; the functions give frozen values with likely content, each argument
replacing one part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nuages.components.contract import Machine, Placement
from nuages.components.supervisor.embedded import keeper_version
from nuages.engine.compose import compose, policy_digest
from nuages.engine.model import Desired, Live, Signature
from nuages.hosts.fake import Entry, FakeDisk, FakeTransport
from nuages.release.build import Build
from nuages.release.layout import SCHEMA, Layout
from nuages.settings.configuration import Configuration
from nuages.topology.model import Host, Topology


LAYOUT = Layout(Path("/srv/shop"))
KEY = "a-secret-key-that-nobody-may-see"

__all__ = [
    "LAYOUT",
    "Entry",
    "FakeDisk",
    "FakeTransport",
    "shop_build",
    "shop_config",
    "shop_desired",
    "shop_live",
    "shop_placement",
    "shop_policy",
    "shop_release",
    "shop_supervisor",
    "shop_topology",
    "write_site",
]


def shop_topology(**declared: Any) -> Topology:
    return Topology(**{"root": Path("/home/ada/shop"), "name": "shop", **declared})


def shop_config(**values: Any) -> Configuration:
    return Configuration(**{"version": 1, "secret_key": KEY, "why": "first deploy", **values})


def shop_build(id_: str = "b1", layout: Layout = LAYOUT, **manifest: Any) -> Build:
    facts = {"databases": {"default": {"engine": "django.db.backends.sqlite3"}}}
    likely = {
        "build": id_, "commit": "", "branch": "", "dirty": False, "files": 5, "python": "3.13.0", "django": "5.2.1",
        "venv": "venv1", "environment": str(layout.venvs / "venv1"), "settings_module": "shop.settings",
        "manage": "manage.py", "paths": ["."], "wsgi": "shop.wsgi:application", "asgi": "", "interface": "wsgi",
        "processes": [], "static_files": 0, "facts": facts, "versions": {"django": "5.2.1"},
    }  # fmt: skip
    return Build(id_, layout.build(id_), {**likely, **manifest})


def shop_policy(build: Build | None = None, layout: Layout = LAYOUT, **values: Any) -> dict[str, Any]:
    source = str((build or shop_build(layout=layout)).source)
    likely = {
        "version": 1, "site": "shop", "settings_module": "shop.settings", "project": source, "manage_dir": source,
        "domains": [], "port": 8000, "bind": "127.0.0.1", "static_root": f"{source}/../static",
        "static_serve": str(layout.shared("static")), "generated_names": {"SECRET_KEY": ["DJANGO_SECRET_KEY"]},
    }  # fmt: skip
    return {**likely, **values}


def shop_release(number: int = 1, build: str = "b1", config: int = 1, **values: Any) -> dict[str, Any]:
    """release.json of a numbered release, made under the policy of `shop_policy()`."""
    digest = policy_digest(shop_policy())
    likely = {"policy": digest, "venv": "venv1", "commit": "", "at": "2026-01-02T03:04:05Z", "by": "ada"}
    return {"number": number, "build": build, "config": config, **likely, **values}


WEB_1 = Host("web-1", "192.0.2.11")


def shop_placement(os: str = "debian", os_version: str = "13", **values: Any) -> Placement:
    """On the server web-1. `facts` and `interface` go into the manifest, `machine` and `policy` replace likely ones,
    what else Placement does not have is declared in the topology: `domains=("shop.example",)` is likely there."""
    manifest = {k: values.pop(k) for k in ("facts", "interface", "processes") if k in values}
    machine = Machine(2, 4 * 2**30, "/usr/bin/python3", "3.13.5", os=os, os_version=os_version, arch="x86_64", libc="glibc 2.41")
    given = {k: values.pop(k) for k in Placement.__dataclass_fields__ if k in values}
    declared = {"domains": ("shop.example",), "hosts": (WEB_1,), "supervisor": "systemd", **values}
    build = given.pop("build", None) or shop_build(**manifest)
    topology = given.pop("topology", None) or shop_topology(**declared)
    likely: dict[str, Any] = {
        "topology": topology,
        "layout": LAYOUT,
        "build": build,
        "machine": machine,
        "policy": shop_policy(build),
        "env": {},
        "number": 3,
        "host": WEB_1,
        "account": topology.account,
    }
    return Placement(**{**likely, **given})


def shop_supervisor(live: str = "v1-aaaa", listen: str = "127.0.0.1:8000", **generations: str) -> dict[str, Any]:
    """The supervisor's status; `v2_bbbb="failed"` adds a generation v2-bbbb in that state."""
    web = {"name": "web", "kind": "web", "pid": 4711, "state": "running", "restarts": 0, "rss_kb": 51200, "started": 0}
    states = {**({live: "live"} if live else {}), **{k.replace("_", "-"): v for k, v in generations.items()}}
    found = {name: {"number": 0, "build": "", "state": state, "processes": [web]} for name, state in states.items()}
    home = f"{LAYOUT.dir}/keeper/{keeper_version()}"
    return {"keeper": 1, "supervisor": 2, "listen": [listen], "live": live or None, "generations": found, "home": home}


def shop_live(*releases: Mapping[str, Any], layout: Layout = LAYOUT, **values: Any) -> Live:
    """A host as observed: the last of `releases` is live, and served unless `supervisor` says otherwise; none: a new host."""
    topology = shop_topology()
    site = {"schema": SCHEMA, "name": "shop", "root": str(topology.root), "port": 8000}
    newest = releases[-1] if releases else None
    likely: dict[str, Any] = {
        "layout": layout,
        "machine": Machine(2, 4 * 2**30, "/usr/bin/python3", "3.13.0"),
        "site": site if newest else None,
        "release": newest,
        "numbered": {f"v{r['number']}": r for r in releases},
        "config": shop_config(version=newest["config"]).as_dict() if newest else None,
        "builds": tuple(sorted({r["build"] for r in releases})),
        "venvs": tuple(sorted({r["venv"] for r in releases})),
        "supervisor": shop_supervisor(f"v{newest['number']}-aaaa") if newest else {},
    }
    return Live(**{**likely, **values})


def shop_desired(live: Live, build: Build | None = None, config: Configuration | None = None, **how: Any) -> Desired:
    """What compose makes of it. `topology`, `policy`, `token`, `why`, `back_to` as there."""
    chosen = build or shop_build(layout=live.layout)
    topology = how.pop("topology", None) or shop_topology()
    policy = how.pop("policy", None) or shop_policy(chosen, live.layout)
    signature = Signature(why=how.pop("why", ""), back_to=how.pop("back_to", 0))
    return compose(topology, live, chosen, config or shop_config(), policy, **{"token": "bbbb", "signature": signature, **how})


def write_site(layout: Layout, root: Path, *releases: Mapping[str, Any], config: Configuration | None = None) -> Layout:
    """The state of a site on a real disk, without processes: the last of `releases` is live. None: a configuration only."""
    chosen = config or shop_config()
    _write(layout.site_file, {"schema": SCHEMA, "name": "shop", "root": str(root), "port": 8000})
    _write(layout.config(chosen.version), chosen.as_dict()).chmod(0o600)
    for release in releases:
        build = shop_build(release["build"], layout)
        _write(build.path / "manifest.json", build.manifest)
        _write(layout.numbered(release["number"]) / "release.json", release)
        _write(layout.numbered(release["number"]) / "policy.json", shop_policy(build, layout))
        _write(layout.numbered(release["number"]) / "env.json", dict(chosen.env)).chmod(0o600)
    if releases:
        layout.live.symlink_to(f"numbered/v{releases[-1]['number']}")
        layout.current.symlink_to(f"releases/{releases[-1]['build']}")
    return layout


def _write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path
