"""What one site has in PostgreSQL: its role, its database, who may connect, and the extensions that need a superuser."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from nuages.components.budget import connection_limit
from nuages.components.contract import Action, Conflict, Description, Placement
from nuages.hosts.command import Command


# Python package -> extension, and Debian's package of it. Others (pg_trgm, unaccent, citext, hstore ...) are trusted:
# the owner of a database makes them himself.
EXTENSIONS = {"pgvector": ("vector", "postgresql-{}-pgvector")}
POSTGIS = ("postgis", "postgresql-{}-postgis-3")
WITHOUT_PGVECTOR = ("14",)  # Ubuntu 22.04
# A transaction that was forgotten holds up vacuum and migrations. Jobs of ten minutes are none of these.
SETTINGS = ("idle_in_transaction_session_timeout = '15min'",)


def site(placement: Placement, version: str) -> Description:
    account, limit = placement.topology.account, connection_limit(placement.machine)
    wanted = extensions(placement.manifest, version)
    return Description(
        name="postgresql-site",
        what=f"role and database {account}",
        packages=tuple(package for _, package in wanted),
        actions=(
            make_role(placement),
            make_database(account),
            rules(account, limit),
            *(make_extension(account, name) for name, _ in wanted),
        ),
        conflicts=(not_ours(placement),),
        exports={
            "DATABASE_URL": f"{'postgis' if uses_gis(placement.manifest) else 'postgresql'}://{account}@/{account}?host=/var/run/postgresql"
        },
    )


def uses_gis(uses: Mapping[str, Any]) -> bool:
    databases = (uses.get("facts") or {}).get("databases") or {}
    default = databases.get("default") if isinstance(databases, Mapping) else None
    engine = str((default or {}).get("engine", ""))
    return ".gis." in engine or "postgis" in engine or "spatialite" in engine


def extensions(uses: Mapping[str, Any], version: str) -> tuple[tuple[str, str], ...]:
    have = {str(name).lower() for name in uses.get("versions") or {}}
    found = [pair for name, pair in EXTENSIONS.items() if name in have and version not in WITHOUT_PGVECTOR]
    found += [POSTGIS] if uses_gis(uses) else []
    return tuple((name, package.format(version)) for name, package in found)


def mark(placement: Placement) -> str:
    return f"Nuages: site {placement.topology.name}"


def make_role(placement: Placement) -> Action:
    account = placement.topology.account
    return Action(
        key=f"postgresql-role-{account}",
        what=f"role {account} in PostgreSQL",
        why="the site's user is let in under his own name, without a password",
        command=script(
            "BEGIN",
            f"CREATE ROLE {name(account)} LOGIN",
            f"COMMENT ON ROLE {name(account)} IS {text(mark(placement))}",
            "COMMIT",
        ),
        unless=holds(f"SELECT FROM pg_roles WHERE rolname = {text(account)} AND {marked(placement)}"),
        undo=script(f"DROP ROLE IF EXISTS {name(account)}"),
        user="postgres",
        erases=True,
    )


def make_database(account: str) -> Action:
    """From template0, since template1 has the locale of whoever installed the packages. C.UTF-8 sorts alike after every
    upgrade of the system's C library; another order damages indexes silently."""
    owned = f"SELECT FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE datname = {text(account)} AND rolname = {text(account)}"
    return Action(
        key=f"postgresql-database-{account}",
        what=f"database {account}, UTF-8",
        why="of this site alone",
        command=script(
            f"CREATE DATABASE {name(account)} OWNER {name(account)} TEMPLATE template0 "
            "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        ),
        unless=holds(owned),
        undo=drop_databases(account),
        user="postgres",
        erases=True,
    )


def drop_databases(account: str) -> Command:
    """All that are the role's: those that a restore replaced are kept beside the live one, and would keep the role."""
    owner = f"(SELECT oid FROM pg_roles WHERE rolname = {text(account)})"  # noqa: S608 - a literal from `text`
    listed = f"SELECT format('DROP DATABASE %I WITH (FORCE);', datname) FROM pg_database WHERE datdba = {owner}"  # noqa: S608
    line = 'psql -X -At -v ON_ERROR_STOP=1 -d postgres -c "$1" | psql -X -q -v ON_ERROR_STOP=1 -d postgres'
    return Command(("sh", "-c", line, "sh", listed), cwd="/", timeout=120)


def rules(account: str, limit: int) -> Action:
    """Anybody with a role may connect to a new database, until it is said otherwise."""
    statements = (
        f"REVOKE ALL ON DATABASE {name(account)} FROM PUBLIC",
        f"ALTER ROLE {name(account)} CONNECTION LIMIT {limit}",
        *(f"ALTER DATABASE {name(account)} SET {setting}" for setting in SETTINGS),
    )
    digest = hashlib.sha256("\n".join(statements).encode()).hexdigest()[:8]
    return Action(
        key=f"postgresql-rules-{account}-{digest}",
        what=f"database {account} is open to its role alone, for {limit} connections at most",
        why="another site's role may connect to any database until told otherwise",
        command=script(*statements),
        user="postgres",
    )


def make_extension(account: str, extension: str) -> Action:
    return Action(
        key=f"postgresql-extension-{account}-{extension}",
        what=f"extension {extension} in database {account}",
        why="only a superuser may make it, and a migration of the project wants it",
        command=script(f"CREATE EXTENSION IF NOT EXISTS {name(extension)}", database=account),
        unless=holds(f"SELECT FROM pg_extension WHERE extname = {text(extension)}", database=account),
        user="postgres",
    )


def not_ours(placement: Placement) -> Conflict:
    account = placement.topology.account
    # Names come as SQL literals from `text`; ruff can't see that.
    ours = f"SELECT oid FROM pg_roles WHERE rolname = {text(account)} AND {marked(placement)}"  # noqa: S608
    foreign = (
        f"SELECT FROM pg_roles WHERE rolname = {text(account)} AND NOT ({marked(placement)}) "  # noqa: S608
        f"UNION ALL SELECT FROM pg_database WHERE datname = {text(account)} AND datdba NOT IN ({ours})"
    )
    adopt = f"COMMENT ON ROLE {name(account)} IS {text(mark(placement))}; ALTER DATABASE {name(account)} OWNER TO {name(account)}"
    return Conflict(
        f"PostgreSQL has a role or a database {account} that is not of this site",
        f"give the site another name, or hand them over: sudo -u postgres psql -c {text_shown(adopt)}",
        holds(foreign),
        user="postgres",
    )


def may_copy(account: str, *, allowed: bool) -> Command:
    return script(f"ALTER ROLE {name(account)} {'CREATEDB' if allowed else 'NOCREATEDB'}").with_(user="postgres")


def applied(account: str, version: str) -> Command:
    """Debian's psql in /usr/bin is a program in Perl that looks for the cluster first, which takes longer than the answer."""
    program = f"/usr/lib/postgresql/{version}/bin/psql"
    query = "SELECT app || '.' || name FROM django_migrations"
    return Command((program, "-X", "-At", "-d", account, "-c", query), cwd="/", timeout=10, user=account)


def marked(placement: Placement) -> str:
    return f"coalesce(shobj_description(oid, 'pg_authid'), '') = {text(mark(placement))}"


def script(*statements: str, database: str = "postgres") -> Command:
    """Each statement by itself: some can't run in a transaction. -X: whatever ~postgres/.psqlrc says."""
    sent = [word for statement in statements for word in ("-c", statement)]
    return Command(("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, *sent), cwd="/", timeout=120)


def holds(query: str, database: str = "postgres") -> Command:
    """Ends with 0 where the query has a row."""
    line = 'psql -X -At -d "$1" -c "SELECT 1 WHERE EXISTS ($2)" | grep -q 1'
    return Command(("sh", "-c", line, "sh", database, query), cwd="/", timeout=60)


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def text_shown(value: str) -> str:
    """As a word for the shell."""
    return "'" + value.replace("'", "'\\''") + "'"
