"""ssh_config and known_hosts of a lab (pure)."""

from __future__ import annotations

from collections.abc import Sequence


COMMON = """\
# Written by nuages lab; every `up` and `down` writes it anew.
"""


def host_block(name: str, address: str, *, key: str, known_hosts: str) -> str:
    """Found by name or by address, so that a topology that knows addresses only gets the key too."""
    return (
        f"Host {name} {address}\n"
        f"    HostName {address}\n"
        "    User root\n"
        f"    IdentityFile {key}\n"
        "    IdentitiesOnly yes\n"
        f"    UserKnownHostsFile {known_hosts}\n"
        "    GlobalKnownHostsFile none\n"
        "    StrictHostKeyChecking yes\n"
    )


def ssh_config(hosts: Sequence[tuple[str, str]], *, key: str, known_hosts: str) -> str:
    return COMMON + "\n".join(host_block(name, address, key=key, known_hosts=known_hosts) for name, address in hosts)


def known_hosts(hosts: Sequence[tuple[str, str, str]]) -> str:
    """(name, address, public key) -> one line each."""
    return "".join(f"{name},{address} {' '.join(key.split()[:2])}\n" for name, address, key in hosts if key)


def topology_lines(hosts: Sequence[tuple[str, str]], config: str) -> str:
    """What to put into nuages.toml for these hosts."""
    return "\n".join(f'[hosts.{name}]\naddress = "{address}"\nssh_config = "{config}"\n' for name, address in hosts)
