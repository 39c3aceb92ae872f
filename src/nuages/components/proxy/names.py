"""Whether a name of the site is served for somebody else on the same host: nginx would warn, and give all requests to the
one it reads first."""

from __future__ import annotations

from nuages.components.contract import Conflict, Placement
from nuages.components.proxy import names_of
from nuages.hosts.command import run


# Ends with 0 where another file has one of the names on a public port. `listen` comes before `server_name` in each server.
TAKEN = """\
FNR == 1 || $1 == "server" { public = 0 }
FILENAME == own { next }
$1 == "listen" { port = $2; sub(/;$/, "", port); sub(/.*:/, "", port); if (port == "80" || port == "443") public = 1 }
$1 == "server_name" && public {
  for (i = 2; i <= NF; i++) { name = $i; sub(/;$/, "", name); if (index(names, " " name " ")) found = 1 }
}
END { exit !found }
"""
ASK = """\
for file in /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf; do
  [ -f "$file" ] && set -- "$@" "$file"
done
exec awk "$@" </dev/null
"""


def taken(placement: Placement) -> Conflict:
    topology = placement.topology
    names = names_of(topology, placement.host)
    own = f"/etc/nginx/sites-enabled/{topology.name}.conf"
    words = ("-v", f"own={own}", "-v", f"names= {' '.join(names)} ", TAKEN)
    if topology.domains:
        what = f"nginx on {placement.host.name} serves {names[0] if len(names) == 1 else 'one of ' + ', '.join(names)} for another site"
        hint = "take the name out of `domains` here or there"
    else:
        what = f"another site answers at {names[0]} already, and this one has no name of its own"
        hint = 'domains = ["staging.shop.example"] in nuages.toml, or a port of its own: port = 8080'
    return Conflict(what, hint, run("/bin/sh", "-c", ASK, "sh", *words, timeout=20))
