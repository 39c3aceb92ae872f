"""systemd: a template unit for each process of the site, an instance for each generation of it.

An everyday deploy writes no unit: what changes with a release is in run/generations/GEN. The words of a supervisor are
said by `unitctl`, small programs of ours that ask systemctl and end.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from nuages.components.budget import MIB, Limits, process_limits, site_limits
from nuages.components.contract import Description, Directory, File, Machine, Placement, ProcessSpec, Unit
from nuages.components.supervisor import Supervisor
from nuages.components.supervisor.commands import background, environment, is_quiet, shell
from nuages.components.supervisor.crontab import calendar
from nuages.components.supervisor.sandbox import directives
from nuages.components.templating import head, render
from nuages.hosts.command import Command
from nuages.release.layout import Layout
from nuages.topology.model import Cron


UNITCTL = Path(__file__).parent.parent.parent / "unitctl"
TEMPLATES = Path(__file__).parent / "templates"
UNITS = "/etc/systemd/system"
PROXY_GROUP = "www-data"
STOP_MARGIN = 3  # seconds over the drain, for the app server to end what did not end by itself
WATCHDOG = 90
TASKS = 2048
BACKOFF_SINCE = 254  # RestartSteps= of systemd.service(5)
VERSIONS = {("debian", "12"): 252, ("debian", "13"): 257, ("ubuntu", "22.04"): 249, ("ubuntu", "24.04"): 255}


class Systemd(Supervisor):
    name: ClassVar[str] = "systemd"
    programs: ClassVar[Path | None] = UNITCTL
    overlaps: ClassVar[bool] = True

    def processes(self, placement: Placement) -> tuple[ProcessSpec, ...]:
        return background(placement)

    def spec(self, placement: Placement, generation: str, processes: tuple[ProcessSpec, ...]) -> dict[str, Any]:
        return {
            "generation": generation,
            "number": placement.number,
            "build": placement.build.id,
            "account": placement.topology.account,
            "units": _digest(self.describe(placement)),
            "processes": [p.as_spec() for p in processes if p.instances],
            "cron": [_job(placement, job).as_spec() for job in jobs(placement)],
            "failed": _teller(placement).as_spec(),
        }

    def ask(self, layout: Layout, machine: Machine, *words: str, timeout: float = 60) -> Command:
        program = str(layout / "keeper" / "current" / "ctl.py")
        return Command(("/usr/bin/python3", "-I", "-S", program, str(layout.dir), *words), timeout=timeout)

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        """Units of the site. They change with the topology and with the names of its processes, not with a deploy."""
        topology = placement.topology
        names = {"web": "web"} | {p["name"]: p["kind"] for p in placement.manifest["processes"] if p["kind"] in KINDS}
        files = [
            _file(placement, f"{topology.name}-{name}@.service", _process(placement, name, kind)) for name, kind in names.items()
        ]
        for index, job in enumerate(topology.cron if jobs(placement) else ()):
            files += _cron(placement, job, f"cron.{index}.at")
        files += [
            _file(placement, f"nuages-site-{topology.name}.service", _render(placement, "settle.service", drain=topology.drain)),
            _file(placement, f"{topology.name}-failed@.service", _render(placement, "failed.service")),
            _file(placement, slice_of(topology.name), _slice(placement)),
            _tmpfiles(placement),
        ]
        units = Description(
            name="units",
            what=f"systemd runs {topology.name}: {', '.join(names)}",
            directories=_directories(placement),
            files=tuple(files),
            units=(Unit(f"nuages-site-{topology.name}.service", enabled=True, running=None),),
        )
        return (units,)


KINDS = ("worker", "scheduler")


def _digest(descriptions: tuple[Description, ...]) -> str:
    """What its processes were started under: a live generation with another one has an older sandbox, limits or jobs."""
    files = [file for description in descriptions for file in description.files]
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.path}\0{file.content}\0".encode())
    return total.hexdigest()[:12]


def slice_of(site: str) -> str:
    """A hyphen in a slice's name means a slice inside another: shop-api.slice would share the limits of shop.slice."""
    return f"nuages-{site.replace('-', '_')}.slice"


def jobs(placement: Placement) -> tuple[Cron, ...]:
    """The jobs of the clock run on one host of all: the first."""
    topology = placement.topology
    here = topology.hosts and placement.host.name == topology.hosts[0].name and not is_quiet(placement)
    return topology.cron if here else ()


def _job(placement: Placement, job: Cron) -> ProcessSpec:
    return ProcessSpec(
        name=job.name,
        kind="cron",
        argv=shell(job.command),
        env=environment(placement),
        cwd=placement.policy["manage_dir"],
        log=str(placement.layout.logs / f"cron-{job.name}.log"),
    )


def _teller(placement: Placement) -> ProcessSpec:
    """What says that a unit has failed, to those who hear of errors."""
    return ProcessSpec(
        name="tell",
        kind="failed",
        argv=(placement.python, "-m", "nuages_runtime.telling"),
        env=environment(placement),
        cwd=placement.policy["manage_dir"],
        log=str(placement.layout.logs / "failed.log"),
    )


# --- files ---------------------------------------------------------------------------------------------------


def _file(placement: Placement, name: str, content: str) -> File:
    return File(f"{UNITS}/{name}", content)


def _process(placement: Placement, name: str, kind: str) -> str:
    own_server = any(p.get("own_server") for p in placement.manifest["processes"])
    return _render(
        placement,
        "process.service",
        process=name,
        web=kind == "web",
        watchdog=WATCHDOG if kind == "web" and not own_server else 0,
        drain=f"{placement.topology.drain + (STOP_MARGIN if kind == 'web' else 0):g}",
        limits=_limits(process_limits(placement.machine, placement.topology, kind)),
        backoff=VERSIONS.get((placement.machine.os, placement.machine.os_version), 0) >= BACKOFF_SINCE,
    )


def _cron(placement: Placement, job: Cron, where: str) -> list[File]:
    name = f"{placement.topology.name}-cron-{job.name}"
    limits = _limits(process_limits(placement.machine, placement.topology, "worker"))
    times = {"timeout": f"{job.timeout:g}", "drain": f"{placement.topology.drain:g}"}
    service = _render(placement, "cron.service", job=job.name, limits=limits, **times)
    timer = _render(placement, "cron.timer", job=job.name, calendar=calendar(job.at, where))
    return [_file(placement, f"{name}.service", service), _file(placement, f"{name}.timer", timer)]


def _tmpfiles(placement: Placement) -> File:
    """Where the sockets are: the proxy's group may pass through, no other site and no other user."""
    site, account = placement.topology.name, placement.topology.account
    line = f"d /run/nuages-{site} 0510 {account} {PROXY_GROUP}\n"
    return File(f"/etc/tmpfiles.d/nuages-{site}.conf", head(site, "nothing here can be changed") + line)


def _directories(placement: Placement) -> tuple[Directory, ...]:
    layout, account = placement.layout, placement.topology.account
    home = (Directory(str(layout.shared("home")), 0o700, account, account),) if "home" in placement.topology.relax else ()
    return (Directory(str(layout / "run"), 0o711), Directory(str(layout / "run" / "generations"), 0o711), *home)


def _render(placement: Placement, template: str, **values: Any) -> str:
    topology = placement.topology
    home = str(placement.layout.shared("home")) if "home" in topology.relax else "/tmp"  # noqa: S108 - a private one
    return render(
        TEMPLATES,
        template,
        head=head(topology.name, "nuages.toml ([serve] relax, memory, drain; [[cron]])"),
        site=topology.name,
        dir=str(placement.layout.dir),
        account=topology.account,
        slice=slice_of(topology.name),
        home=home,
        writable=[*_written(placement), *([home] if home != "/tmp" else [])],  # noqa: S108
        sandbox=directives(topology.relax),
        **values,
    )


def _written(placement: Placement) -> list[str]:
    return [*(str(placement.layout.shared(part)) for part in ("media", "data", "files")), f"-{placement.layout / 'errors'}"]


def _slice(placement: Placement) -> str:
    limits = _limits(site_limits(placement.machine, placement.topology))
    return _render(placement, "site.slice", limits=limits, tasks=TASKS)


def _limits(limits: Limits) -> dict[str, str]:
    return {"high": f"{limits.high // MIB}M", "most": f"{limits.most // MIB}M"}
