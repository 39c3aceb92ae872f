"""PostgreSQL on the site's own host: tuned to the machine, one role and one database for each site, no password.

The site's unix user is the name of its role and of its database, and Debian's own pg_hba.conf lets a local user in
under his own name ("local all all peer"), so there is nothing to keep secret and nothing listens on a port. Of a
cluster that others use as well, only role and database are ours; its settings are a change of the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nuages.components.budget import MIB, budget, max_connections
from nuages.components.contract import Conflict, Description, File, Machine, Placement, Unit
from nuages.components.database import Database, postgresql_site
from nuages.components.templating import head, render
from nuages.errors import HostError
from nuages.hosts.command import Command
from nuages.topology.model import Topology


HERE = Path(__file__).parent
# The version that a system packages: the one its security updates are for.
VERSIONS = {
    ("debian", "12"): "15",
    ("debian", "13"): "17",
    ("ubuntu", "22.04"): "14",
    ("ubuntu", "24.04"): "16",
    ("ubuntu", "26.04"): "18",
}
INSTEAD = "each site may set its own values with ALTER DATABASE; a file conf.d/zz-yours.conf wins over this one"
# The packages make a cluster in the locale of whoever installs them: under LANG=C that is SQL_ASCII, without an encoding.
CREATE = "initdb_options = '--data-checksums --encoding=UTF8 --locale=C.UTF-8'\n"


class PostgreSQL(Database):
    name: ClassVar[str] = "postgresql"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        version = version_of(placement.machine)
        return first_cluster(), host(placement.machine, version), postgresql_site.site(placement, version)

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        scheme = "postgis" if postgresql_site.uses_gis(uses) else "postgresql"
        account = topology.account
        return {"DATABASE_URL": f"{scheme}://{account}@/{account}?host=/var/run/postgresql"}

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        return ("psycopg[binary]>=3.1.8",)

    def may_copy(self, topology: Topology, *, allowed: bool) -> Command | None:
        return postgresql_site.may_copy(topology.account, allowed=allowed)

    def applied(self, topology: Topology, machine: Machine) -> Command | None:
        return postgresql_site.applied(topology.account, version_of(machine))


def version_of(machine: Machine) -> str:
    try:
        return VERSIONS[machine.os, machine.os_version]
    except KeyError:
        system = f"{machine.os or 'an unknown system'} {machine.os_version}".strip()
        hint = 'Debian 12 and 13, Ubuntu 22.04 and 24.04 are known; or services.database = "none" and a DATABASE_URL of yours'
        raise HostError(f"no PostgreSQL is known for {system}", hint=hint) from None


def first_cluster() -> Description:
    """Before the packages come, since they make a cluster at once."""
    path = "/etc/postgresql-common/createcluster.d/nuages.conf"
    content = head("", "pg_createcluster(1) says what may stand here") + CREATE
    return Description(
        name="postgresql-cluster",
        what="a new PostgreSQL cluster has checksums and UTF-8",
        scope="host",
        early=True,
        files=(File(path, content),),
    )


def host(machine: Machine, version: str) -> Description:
    folder, unit = f"/etc/postgresql/{version}/main/conf.d", f"postgresql@{version}-main.service"
    settings, start = f"{folder}/nuages.conf", f"{folder}/nuages-start.conf"
    drop_in = f"/etc/systemd/system/{unit}.d/nuages.conf"
    waits = "all sites of this host for a second or two"
    return Description(
        name="postgresql",
        what=f"PostgreSQL {version}, tuned to {budget(machine).total // MIB} MB",
        scope="host",
        packages=(f"postgresql-{version}",),
        files=(
            File(settings, _render("settings", machine), owner="postgres", group="postgres"),
            File(start, _render("start", machine), owner="postgres", group="postgres"),
            File(drop_in, _render("unit", machine)),
        ),
        verify=readable(version),
        units=(
            Unit(unit, on=(start, drop_in), interrupts=waits),
            Unit(unit, on=(settings,), reload=True),
        ),
        conflicts=(other_cluster(version),),
    )


def readable(version: str) -> Command:
    """PostgreSQL has no dry run; asked for one value, it reads all its files and names the line that it can't read."""
    program, main = f"/usr/lib/postgresql/{version}/bin/postgres", f"/etc/postgresql/{version}/main"
    return Command(
        ("runuser", "-u", "postgres", "--", program, "-C", "data_directory", "-c", f"config_file={main}/postgresql.conf"), cwd="/"
    )


def other_cluster(version: str) -> Conflict:
    """A package makes no cluster where there is one, say of the Debian before an upgrade."""
    ours = f'$1 == "{version}" && $2 == "main" && $3 == 5432'
    script = f"pg_lsclusters -h | awk '{{ seen = 1 }} {ours} {{ ours = 1 }} END {{ exit !(seen && !ours) }}'"
    return Conflict(
        f"there are PostgreSQL clusters on this host, and {version}/main on port 5432 is not among them",
        f"pg_lsclusters shows them: move yours with pg_upgradecluster, add one with `pg_createcluster {version} main`, "
        'or set services.database = "none" and give a DATABASE_URL',
        Command(("sh", "-c", script), cwd="/"),
    )


def _is_shared(machine: Machine) -> bool:
    """Were there databases of others before us? They may come by a port."""
    return any(str(name).startswith("postgresql") for name in machine.facts.get("databases") or ())


def _render(part: str, machine: Machine) -> str:
    shares = budget(machine)
    memory = shares.total // MIB
    return render(
        HERE,
        f"postgresql-{part}.conf.j2",
        head=head("", INSTEAD).rstrip("\n"),
        memory_mb=memory,
        shared=_is_shared(machine),
        shared_buffers_mb=shares.shared_buffers // MIB,
        max_connections=max_connections(machine),
        effective_cache_mb=memory // 2,
        work_mem_mb=max(4, min(memory // 512, 32)),
        maintenance_mb=max(32, min(memory // 16, 1024)),
        autovacuum_mb=max(16, min(memory // 32, 512)),
        max_wal_mb=1024 if memory < 4096 else 2048 if memory < 16384 else 4096,  # noqa: PLR2004 - megabytes
        parallel=0 if machine.cores < 2 else min(2, machine.cores // 2),  # noqa: PLR2004
    )
