"""The facts that the doctor judges: what DNS says, what each host says in one round trip, what the live release reaches from
where it stands, and what a visitor would see from here."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from nuages.components.certificates.deciding import wanted
from nuages.components.certificates.seen import authority_path
from nuages.components.proxy import names_of
from nuages.engine.model import Live
from nuages.engine.observe import questions, understand
from nuages.errors import HostError, NuagesError
from nuages.hosts import Hosts
from nuages.hosts.transport import Transport
from nuages.insight.inside import ask_inside
from nuages.release.layout import Layout
from nuages.topology.model import HERE, Host, Topology


PATIENCE = 8.0
PLAIN = 80  # speaks http
Names = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Door:
    """What a connection from here came to. `problem` is refused, no answer, or as the system says it; "" is open."""

    address: str
    port: int
    problem: str = ""
    status: int = 0  # of a page that was asked for
    trust: str = ""  # why the certificate is not believed


@dataclass(frozen=True)
class Seen:
    """Of one host. `answer` is None where it could not be reached, then `error` says why; `inside` where it was not asked."""

    host: Host
    answer: Mapping[str, Any] | None = None
    error: NuagesError | None = None
    clock: float = 0
    live: Live | None = field(default=None, repr=False)
    inside: Mapping[str, Any] | None = None
    inside_error: str = ""
    doors: tuple[Door, ...] = ()

    @property
    def vitals(self) -> Mapping[str, Any]:
        return (self.answer or {}).get("vitals") or {}

    def said(self, name: str) -> Mapping[str, Any] | None:
        """How a command on the host ended."""
        return (self.answer or {}).get(name)


@dataclass(frozen=True)
class Facts:
    """`dns`: name -> addresses; a name without is one that does not exist, a name that lacks got no answer in time."""

    topology: Topology
    layout: Layout
    dns: Names
    seen: tuple[Seen, ...]
    resolved: tuple[str, ...] = ()  # names whose address was given on the command line


def examine(topology: Topology, hosts: Hosts, layout: Layout, given: Names | None = None) -> Facts:
    """`given`: addresses to take in place of what DNS says."""
    given = given or {}
    dns = {**resolve([name for name in topology.domains if name not in given]), **given}
    named = {host.name: host for host in topology.hosts}
    with ThreadPoolExecutor(len(hosts.all)) as pool:
        seen = tuple(pool.map(lambda each: of_host(topology, layout, each, named.get(each.name, HERE), dns), hosts.all))
    return Facts(topology, layout, dns, seen, tuple(given))


def resolve(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """As this machine's resolver says it: ours and a visitor's may differ for as long as a record is cached."""
    found: dict[str, tuple[str, ...]] = {}

    def ask(name: str) -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:
                found[name] = ()
        except UnicodeError:
            found[name] = ()
        else:
            found[name] = tuple(sorted({str(answer[4][0]).partition("%")[0] for answer in answers}))

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return dict(found)


# --- one host ------------------------------------------------------------------------------------------------


def of_host(topology: Topology, layout: Layout, transport: Transport, host: Host, dns: Names) -> Seen:
    begun = time.time()
    try:
        answer = transport.read(asked(topology, layout, host))
        live = replace(understand(answer, layout, topology), host=host)
    except HostError as error:
        return Seen(host, error=error, doors=knocked(topology, host, dns, ""))
    took = time.time() - begun
    if not topology.remote and live.address:
        answer["ask"] = transport.read({"it": _question_here(topology, live)})["it"]
    clock = answer["vitals"]["now"] - (begun + took / 2)
    seen = Seen(host, answer, clock=clock if abs(clock) > took / 2 else 0, live=live)
    seen = replace(seen, doors=knocked(topology, host, dns, str(answer.get("authority") or "")))
    if not live.release:
        return seen
    try:
        return replace(seen, inside=ask_inside(transport, live, topology.account, "diagnose", timeout=60))
    except NuagesError as error:
        return replace(seen, inside_error=f"{error.what}\n{error.detail}".strip())


def asked(topology: Topology, layout: Layout, host: Host) -> dict[str, Mapping[str, Any]]:
    """Of the live policy nothing is known yet, so on this machine the site is asked later, by its address."""
    mine = {key: question for key, question in questions(layout, topology, host).items() if key not in ("base", "port")}
    common = {**mine, "port": {"kind": "free_port", "after": 65535}, "vitals": {"kind": "vitals", "dir": str(layout.dir)}}
    if not topology.remote:
        return common
    proxy = topology.services.proxy == "nginx"
    name = names_of(topology, host)[0]
    secure = wanted(topology, names_of(topology, host)) or topology.tls.enabled
    return {
        **common,
        "ask": {"kind": "ask", "socket": str(layout.socket), "host": name, "path": topology.health.path, "secure": secure},
        "addresses": {"kind": "command", "argv": ["ip", "-o", "addr", "show", "scope", "global"], "timeout": 10},
        "postgresql": _command("systemctl", "is-active", "postgresql.service", "postgresql@*.service"),
        **({"nginx": _command("systemctl", "is-active", "nginx.service"), "nginx_test": _command("/usr/sbin/nginx", "-t", "-q"),
            "enabled": {"kind": "files", "paths": [f"/etc/nginx/sites-enabled/{topology.name}.conf"]},
            "said": {"kind": "text", "path": "/var/log/nginx/error.log", "limit": -2000}} if proxy else {}),
        "firewall": _command("nft", "list", "table", "inet", "nuages"),
        "authority": {"kind": "text", "path": str(authority_path(layout))},
    }  # fmt: skip


def _question_here(topology: Topology, live: Live) -> dict[str, Any]:
    """To the address that the site listens on, which is known once its supervisor has answered."""
    bind, _, port = live.address.rpartition(":")
    name = topology.domains[0] if topology.domains else f"localhost:{port}"
    bind = "127.0.0.1" if bind in ("", "0.0.0.0") else bind.strip("[]")  # noqa: S104
    secure = topology.tls.enabled
    return {"kind": "ask", "port": int(port), "bind": bind, "host": name, "path": topology.health.path, "secure": secure}


def _command(*argv: str) -> dict[str, Any]:
    return {"kind": "command", "argv": list(argv), "timeout": 20}


# --- as a visitor, from here ---------------------------------------------------------------------------------


def knocked(topology: Topology, host: Host, dns: Names, authority: str) -> tuple[Door, ...]:
    """The ports of the site on this host, from here; https with the name and what a visitor would believe."""
    if not topology.remote:
        return ()
    name = names_of(topology, host)[0]
    address = _address(topology, host, dns)
    secure = wanted(topology, names_of(topology, host))
    ports = (topology.port,) if topology.port else (PLAIN, 443) if secure else (PLAIN,)
    return tuple(
        knock(address, port, name, secure=secure and port != PLAIN, authority=authority, path=topology.health.path)
        for port in ports
    )


def _address(topology: Topology, host: Host, dns: Names) -> str:
    """Where a visitor would come; of several hosts, each by its own address."""
    for name in topology.domains if len(topology.hosts) == 1 else ():
        if dns.get(name):
            return dns[name][0]
    return host.address or host.name


def knock(address: str, port: int, name: str, *, secure: bool, authority: str = "", path: str = "/") -> Door:
    try:
        raw = socket.create_connection((address, port), PATIENCE)
    except OSError as error:
        return Door(address, port, _word(error))
    with contextlib.closing(raw):
        if not secure:
            return Door(address, port)
        trust = ""
        try:
            context = ssl.create_default_context(cadata=authority or None)
            wrapped = context.wrap_socket(raw, server_hostname=name)
        except (ssl.SSLError, OSError, ValueError) as error:
            trust = getattr(error, "verify_message", "") or str(error)
            return Door(address, port, trust=trust)
        return Door(address, port, status=_page(wrapped, name, path))


def _page(wrapped: ssl.SSLSocket, name: str, path: str) -> int:
    connection = http.client.HTTPSConnection(name, timeout=20)
    connection.sock = wrapped
    try:
        connection.request("GET", path, headers={"User-Agent": "nuages-doctor"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _word(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    return (error.strerror or str(error)).lower()


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
