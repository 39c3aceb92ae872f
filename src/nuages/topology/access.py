"""Deploying with a deploy key, which logs in as an account of its own: what CI has in place of a person's login."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from nuages.errors import UsageError
from nuages.topology.model import Topology


DEPLOY_KEY = "NUAGES_DEPLOY_KEY"  # path of the private key
LONGEST = 24  # of an account's name, that `_deploy` follows; useradd(8) takes 32


def deploy_login(account: str) -> str:
    """The account on servers that deploy keys of a site log in as. No site's own account has a `_`."""
    if len(account) <= LONGEST:
        return f"{account}_deploy"
    return f"{account[:17]}_{hashlib.sha256(account.encode()).hexdigest()[:6]}_deploy"


def with_deploy_key(topology: Topology, path: str) -> Topology:
    """Raises UsageError where that is no file; what it is then may be the key itself, and is not shown."""
    if not Path(path).expanduser().is_file():
        itself = "it holds a key, and should hold the path of one" if "PRIVATE KEY" in path else f"there is no file {path}"
        raise UsageError(itself, where=DEPLOY_KEY, hint="write the key into a file that only you may read")
    login = deploy_login(topology.account)
    return replace(topology, hosts=tuple(replace(host, user=login, identity=path) for host in topology.hosts))
