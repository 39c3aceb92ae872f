"""What a visitor of the site meets, asked from here."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl

from nuages.topology import Topology


ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - listened on, never asked
PATIENCE = 3  # seconds


def status_of(url: str, topology: Topology, listens: str, path: str) -> int:
    """The status of an answer; 0 when it can't be asked from here. `listens`: the address on this machine.

    On a server its own address is asked under the site's name, for the domain's DNS may not lead there yet; no certificate
    is checked, and nothing secret is sent.
    """
    scheme, _, name = url.rstrip("/").partition("://")
    host, _, port = listens.rpartition(":")
    place = ("127.0.0.1" if host in ANYWHERE else host.strip("[]"), port)
    if topology.remote:
        place = (topology.hosts[0].address, "443" if scheme == "https" else "80")
    try:
        with contextlib.closing(_connect(place, name if topology.remote and scheme == "https" else "")) as opened:
            connection = http.client.HTTPConnection(name)
            connection.sock = opened
            connection.request("GET", path)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):
        return 0


def _connect(place: tuple[str, str], secure: str) -> socket.socket:
    opened = socket.create_connection((place[0], int(place[1])), PATIENCE)
    if not secure:
        return opened
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(opened, server_hostname=secure.partition(":")[0])
