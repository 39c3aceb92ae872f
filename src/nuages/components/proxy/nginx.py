"""nginx: the default proxy. `site.conf.j2` beside this file is what a site's configuration looks like.

A site's file stands by itself: names of ours in it (formats, maps) carry the site's name, so that it works, and can be
read, without anything else of ours, also beside sites of other people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nuages.components.contract import Action, Certificate, Description, Directory, File, Link, Placement, Port, Unit
from nuages.components.proxy import ACME_ROOT, Proxy, names_of
from nuages.components.proxy.names import taken
from nuages.components.proxy.urls import asked_of_the_project, local_path, media_path
from nuages.components.templating import head, render
from nuages.hosts.command import run
from nuages.topology.model import Topology


HERE = Path(__file__).parent
LOGS = "/var/log/nginx"  # that the package's own logrotate rule turns over, daily, 14 kept
PAGES = {
    413: ("Too large", "This is more than the site takes at once, {max_upload}."),
    502: ("Back in a moment", "The site does not answer right now. This page reloads by itself."),
    503: ("Back in a moment", "The site is being worked on and will return shortly. This page reloads by itself."),
    504: ("That took too long", "The site did not answer in time. Please try again in a moment."),
}
POLICY = "/usr/sbin/policy-rc.d"  # asked by the scripts of packages, and by nobody else
UPGRADED = """#!/bin/sh
{head}# An upgrade of nginx-common would stop nginx and start it. That of nginx, which comes with it, lets the new program
# take over the sockets of the old one ("nginx upgrade"), and no request is lost.
case "${{1%.service}} $2" in
  "nginx restart") exit 101 ;;
esac
exit 0
"""
CONNECTIONS = 8192  # of each worker; the packages set 768, which a few hundred slow clients fill


@dataclass(frozen=True)
class Packaged:
    """What the nginx of a release of the system can do. Versions as packaged there in November 2026."""

    version: tuple[int, int]
    brotli: bool = True
    hybrid: bool = False  # OpenSSL 3.5 and newer: X25519MLKEM768, the first curve of Mozilla's guideline 5.8

    @property
    def rejects_handshakes(self) -> bool:
        return self.version >= (1, 19)  # ssl_reject_handshake came in 1.19.4

    @property
    def http2_directive(self) -> bool:
        return self.version >= (1, 26)  # `http2 on` came in 1.25.1, where `listen ... http2` began to warn


PACKAGED = {
    ("debian", "13"): Packaged((1, 26), hybrid=True),
    ("debian", "12"): Packaged((1, 22)),
    ("ubuntu", "24.04"): Packaged((1, 24)),
    ("ubuntu", "22.04"): Packaged((1, 18), brotli=False),
}
UNKNOWN = Packaged((1, 18), brotli=False)  # what every newer one understands too


class Nginx(Proxy):
    name: ClassVar[str] = "nginx"

    def host(self, placement: Placement) -> tuple[Description, ...]:
        return (_program(placement), _shared(placement))

    def site(self, placement: Placement, certificate: Certificate) -> Description:
        site, topology = placement.topology.name, placement.topology
        path = f"/etc/nginx/sites-available/{site}.conf"
        logs = tuple(f"{LOGS}/{site}.{kind}.log" for kind in ("access", "error"))
        pages = _pages(placement)
        return Description(
            name="nginx-site",
            what=f"nginx serves {', '.join(names_of(topology, placement.host))}" + ("" if certificate.ready else ", over http"),
            directories=(Directory(str(placement.layout.shared("pages"))),),
            files=(
                *pages,
                *(File(log, "", 0o640, "www-data", "adm", once=True) for log in logs),
                File(path, site_configuration(placement, certificate)),
            ),
            links=(
                Link(f"/etc/nginx/sites-enabled/{site}.conf", path),
                *(Link(f"{placement.layout.logs}/nginx-{Path(log).name.removeprefix(site + '.')}", log) for log in logs),
            ),
            verify=run("/usr/sbin/nginx", "-t", "-q", timeout=30),
            units=(Unit("nginx.service", reload=True, on=(path,)),),
            ports=_ports(topology, certificate),
            conflicts=() if topology.port else (taken(placement),),
        )


def packaged(placement: Placement) -> Packaged:
    return PACKAGED.get((placement.machine.os, placement.machine.os_version), UNKNOWN)


def _program(placement: Placement) -> Description:
    """The package, with its service put into a sandbox. A change of that restarts it; all other changes reload."""
    nginx = packaged(placement)
    modules = ("libnginx-mod-http-brotli-filter", "libnginx-mod-http-brotli-static") if nginx.brotli else ()
    snake_oil = () if nginx.rejects_handshakes else ("ssl-cert",)
    drop_in = "/etc/systemd/system/nginx.service.d/nuages.conf"
    instead = head("", "leave nginx to yourself with services.proxy")
    return Description(
        name="nginx",
        what="nginx, in a sandbox",
        scope="host",
        packages=("nginx", *modules, *snake_oil),
        directories=(Directory(ACME_ROOT), Directory("/etc/systemd/system/nginx.service.d")),
        files=(
            File(drop_in, render(HERE, "service.conf.j2", head=instead)),
            File(POLICY, UPGRADED.format(head=instead), 0o755, once=True),
        ),
        absent=("/etc/nginx/sites-enabled/default",),
        verify=run("/usr/sbin/nginx", "-t", "-q", timeout=30),
        units=(Unit("nginx.service", on=(drop_in,), interrupts="requests under way, of all sites of this host"),),
    )


def _shared(placement: Placement) -> Description:
    """Limits, and the answer to names that no site has. On a port of its own a site leaves 80 and 443 to whoever has them."""
    limits = "/etc/nginx/modules-enabled/90-nuages.conf"
    unknown = "/etc/nginx/conf.d/nuages.conf"
    instead = head("", "leave nginx to yourself with services.proxy")
    nginx = packaged(placement)
    files = [File(limits, f"{instead}worker_rlimit_nofile {CONNECTIONS * 4};\n")]
    if not placement.topology.port:
        files.append(File(unknown, render(HERE, "unknown.conf.j2", head=instead, nginx=nginx, acme=ACME_ROOT)))
    return Description(
        name="nginx-shared",
        what="names that no site has are refused; connections enough for slow clients",
        scope="host",
        files=tuple(files),
        verify=run("/usr/sbin/nginx", "-t", "-q", timeout=30),
        units=(Unit("nginx.service", reload=True, on=tuple(file.path for file in files)),),
        actions=(_connections(),),
    )


def _connections() -> Action:
    """The one line of the package's own file that no other file can say: `events` may stand only once."""
    place, packages_own = "/etc/nginx/nginx.conf", 768
    edit = "s/^\\([[:space:]]*worker_connections\\)[[:space:]]*{old};/\\1 {new};/"
    reload = "/usr/sbin/nginx -t -q && systemctl try-reload-or-restart nginx.service"
    to, back = edit.format(old=packages_own, new=CONNECTIONS), edit.format(old=CONNECTIONS, new=packages_own)
    return Action(
        key=f"nginx-connections-{CONNECTIONS}",
        what=f"worker_connections {CONNECTIONS} in {place}",
        why=f"the packaged {packages_own} are filled by a few hundred slow clients",
        command=run("/bin/sh", "-c", f"sed -i '{to}' {place} && {reload}", timeout=60),
        unless=run("/bin/sh", "-c", f"! grep -q 'worker_connections {packages_own};' {place}", timeout=10),
        undo=run("/bin/sh", "-c", f"! test -e {place} || sed -i '{back}' {place}", timeout=10),
    )


def _ports(topology: Topology, certificate: Certificate) -> tuple[Port, ...]:
    if topology.port:
        return (Port(topology.port, what="nginx"),)
    https = (Port(443, what="nginx, https"),) if certificate.ready else ()
    return (Port(80, what="nginx, http"), *https)


def _pages(placement: Placement) -> tuple[File, ...]:
    size = placement.topology.max_upload
    folder = placement.layout.shared("pages")
    return tuple(
        File(
            f"{folder}/{code}.html",
            render(HERE, "page.html.j2", code=code, title=title, text=text.format(max_upload=size), again=code != 413),  # noqa: PLR2004
        )
        for code, (title, text) in PAGES.items()
    )


def site_configuration(placement: Placement, certificate: Certificate) -> str:
    topology, layout = placement.topology, placement.layout
    site = topology.name
    return render(
        HERE,
        "site.conf.j2",
        head=head(site, "edit nuages.toml (domains, tls, max_upload, trusted_proxies)"),
        site=site,
        var=site.replace("-", "_"),
        nginx=packaged(placement),
        names=[_server_name(name) for name in names_of(topology, placement.host)],
        port=topology.port,
        in_front=topology.tls.certificate == "none" and topology.tls.enabled,  # who speaks TLS has the public port too
        certificate=certificate if certificate.ready else None,
        acme=ACME_ROOT,
        layout=layout,
        logs=LOGS,
        as_json=topology.log_format == "json",
        max_upload=topology.max_upload,
        patience=max(60, int(topology.drain)),
        trusted=[proxy for proxy in topology.trusted_proxies if proxy != "unix"],
        websockets=placement.manifest["interface"] == "asgi",
        static=local_path(_fact(placement, "static", "url"), topology.domains),
        media=media_path(placement.manifest["facts"], topology.domains),
        asked=asked_of_the_project(placement.manifest["facts"]),
    )


def _fact(placement: Placement, part: str, name: str) -> Any:
    return (placement.manifest["facts"].get(part) or {}).get(name)


def _server_name(name: str) -> str:
    return f"[{name}]" if ":" in name else name
