"""What a process of the site may do on a server, as directives of systemd.exec(5), and what may be relaxed by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


# Scored 1.1 to 1.5 by systemd-analyze security; Django, psycopg, Pillow, Celery and Granian work in it.
STRICT: Mapping[str, str] = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "KeyringMode": "private",
    "RemoveIPC": "yes",
    "SystemCallArchitectures": "native",
    # Without CAP_CHOWN a chown changes nothing, but Gunicorn makes one of its socket and ends where it is refused.
    "SystemCallFilter": "@system-service\nSystemCallFilter=~@privileged @resources\nSystemCallFilter=@chown",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0027",
}


@dataclass(frozen=True)
class Relaxation:
    why: str
    changes: Mapping[str, str] = field(default_factory=dict)


WRITABLE_CODE = {"MemoryDenyWriteExecute": "no"}
WHOLE_PROC = {"ProcSubset": "all"}
RELAXATIONS: Mapping[str, Relaxation] = {
    "jit": Relaxation("code made while it runs: numba, PyPy, LuaJIT, some cffi callbacks", WRITABLE_CODE),
    "node": Relaxation("Node.js: its compiler, and /proc/meminfo", {**WRITABLE_CODE, **WHOLE_PROC}),
    "chrome": Relaxation(
        "a headless browser: its compiler, its own sandbox in namespaces, all of /proc",
        {
            **WRITABLE_CODE,
            **WHOLE_PROC,
            "ProtectProc": "default",
            "RestrictNamespaces": "no",
            "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "SystemCallFilter": "@system-service chroot",
        },
    ),
    "home": Relaxation("programs that keep files in $HOME; it is shared/home, and survives releases"),
    "network-admin": Relaxation(
        "raw sockets and network interfaces: ping, scapy, pyroute2",
        {
            "CapabilityBoundingSet": "CAP_NET_ADMIN CAP_NET_RAW",
            "AmbientCapabilities": "CAP_NET_ADMIN CAP_NET_RAW",
            "PrivateUsers": "no",
            "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET",
        },
    ),
}


def directives(relax: Sequence[str]) -> dict[str, str]:
    """The strict sandbox with what the topology relaxes."""
    chosen = dict(STRICT)
    for name in relax:
        chosen.update(RELAXATIONS[name].changes)
    return chosen
