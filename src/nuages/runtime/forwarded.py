"""What a proxy says about the client is believed from declared proxies only; from anybody else it is removed."""

from __future__ import annotations

import ipaddress


PREFIX = "HTTP_X_FORWARDED_"
OTHERS = {
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
    "HTTP_X_CLIENT_IP",
    "HTTP_TRUE_CLIENT_IP",
    "HTTP_CF_CONNECTING_IP",
    "HTTP_X_CLUSTER_CLIENT_IP",
    "HTTP_X_URL_SCHEME",
    "HTTP_X_SCHEME",
    "HTTP_FRONT_END_HTTPS",
    "HTTP_X_REQUEST_ID",
}


class Forwarded:
    def __init__(self, trusted_proxies):
        self.networks = [ipaddress.ip_network(text, strict=False) for text in trusted_proxies or () if text != "unix"]
        self.unix = "unix" in (trusted_proxies or ())
        self.known = {}

    def trusts(self, peer):
        if not self.networks and not self.unix:
            return False
        if peer not in self.known:
            if len(self.known) > 1000:
                self.known.clear()
            self.known[peer] = self._trusts(peer)
        return self.known[peer]

    def _trusts(self, peer):
        if not peer:
            return self.unix
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)

    def apply(self, environ):
        """Work on a WSGI environ, or on the same names made from an ASGI scope."""
        if not self.trusts(environ.get("REMOTE_ADDR") or ""):
            for name in [name for name in environ if name in OTHERS or name[:17] == PREFIX]:
                del environ[name]
            return False
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if not environ.get("REMOTE_ADDR"):
            name_server(environ)
        client = self.client_in(environ.get("HTTP_X_FORWARDED_FOR", ""))
        if client:
            environ["REMOTE_ADDR"] = client
        return True

    def client_in(self, chain):
        """The last address that no trusted proxy added: what stands before it may be invented."""
        for text in reversed([part.strip() for part in chain.split(",")]):
            try:
                ipaddress.ip_address(text)
            except ValueError:
                return ""
            if not self._trusts(text):
                return text
        return ""


def name_server(environ):
    """Over a unix socket servers name the socket's path, and port 0: what was asked is in Host."""
    name, colon, port = environ.get("HTTP_HOST", "").rpartition(":")
    if not colon or not port.isdigit():
        name, port = environ.get("HTTP_HOST", ""), "443" if environ.get("wsgi.url_scheme") == "https" else "80"
    environ["SERVER_NAME"], environ["SERVER_PORT"] = name or "localhost", port
