"""DATABASE_URL -> an entry of DATABASES. Stands alone: `nuages settings eject` copies it into projects."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote


ENGINES = {
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "pgsql": "django.db.backends.postgresql",
    "psql": "django.db.backends.postgresql",
    "postgis": "django.contrib.gis.db.backends.postgis",
    "mysql": "django.db.backends.mysql",
    "mysql2": "django.db.backends.mysql",
    "mariadb": "django.db.backends.mysql",
    "mysqlgis": "django.contrib.gis.db.backends.mysql",
    "sqlite": "django.db.backends.sqlite3",
    "sqlite3": "django.db.backends.sqlite3",
    "spatialite": "django.contrib.gis.db.backends.spatialite",
    "oracle": "django.db.backends.oracle",
}
# Options of Django itself, beside OPTIONS; everything else in the query goes to the driver.
DJANGO_OPTIONS = {
    "conn_max_age": int,
    "conn_health_checks": "bool",
    "atomic_requests": "bool",
    "autocommit": "bool",
    "disable_server_side_cursors": "bool",
    "time_zone": str,
}
TRUE = ("1", "true", "yes", "on")


def parse(url):
    """Raises ValueError with the URL left out, since it holds the password."""
    scheme, colon, rest = url.strip().partition(":")
    scheme = scheme.lower().replace("+psycopg2", "").replace("+psycopg", "").replace("+pymysql", "")
    if not colon or scheme not in ENGINES:
        begin = " starts with %r;" % scheme[:20] if rest.startswith("//") else " has no scheme;"
        raise ValueError("DATABASE_URL%s known: %s" % (begin, ", ".join(sorted(ENGINES))))
    rest, _, query = rest.partition("?")
    entry = {"ENGINE": ENGINES[scheme]}
    if scheme in ("sqlite", "sqlite3", "spatialite"):
        entry["NAME"] = sqlite_name(rest)
    else:
        entry.update(network(rest))
    return with_options(entry, query)


def sqlite_name(rest):
    """sqlite:// and sqlite://:memory: are memory; sqlite:///name is relative, sqlite:////name absolute."""
    path = rest[2:] if rest.startswith("//") else rest
    if path in ("", "/", ":memory:", "/:memory:"):
        return ":memory:"
    return unquote(path[1:] if path.startswith("/") else path)


def network(rest):
    """The last @ ends the credentials: passwords hold any of @ / : # unescaped in the wild."""
    rest = rest[2:] if rest.startswith("//") else rest
    credentials, at, location = rest.rpartition("@")
    user, _, password = credentials.partition(":") if at else ("", "", "")
    address, _, name = location.partition("/")
    host, port = host_and_port(address)
    return {
        "NAME": unquote(name),
        "USER": unquote(user),
        "PASSWORD": unquote(password),
        "HOST": unquote(host),
        "PORT": port,
    }


def host_and_port(address):
    if address.startswith("["):
        host, _, tail = address[1:].partition("]")
        return host, tail.lstrip(":")
    if "," in address:  # libpq takes several hosts
        pairs = [part.partition(":") for part in address.split(",")]
        return ",".join(pair[0] for pair in pairs), ",".join(pair[2] for pair in pairs).strip(",")
    host, _, port = address.partition(":")
    if port and not port.isdigit():
        raise ValueError("the port in DATABASE_URL is not a number; percent-encode @, / and : in the password")
    return host, port


def with_options(entry, query):
    options = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        kind = DJANGO_OPTIONS.get(name.lower())
        if kind == "bool":
            entry[name.upper()] = value.lower() in TRUE
        elif kind:
            entry[name.upper()] = kind(value)
        elif name == "ssl-mode":
            options["ssl_mode"] = value
        elif name == "host" and not entry.get("HOST"):
            entry["HOST"] = value  # a unix socket's directory
        else:
            options[name] = int(value) if value.isdigit() else {"true": True, "false": False}.get(value.lower(), value)
    return {**entry, "OPTIONS": options} if options else entry
