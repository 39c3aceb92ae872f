"""Listening sockets that outlive whoever opened them, and the channel over which they are handed on."""

import json
import os
import socket
import sys


def parse_address(text):
    """`127.0.0.1:8000`, `[::1]:8000`, `localhost:0` -> (host, port)."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError("%r is not HOST:PORT" % text)
    return host.strip("[]"), int(port)


def format_address(host, port):
    return "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)


def bind(address):
    host, port = parse_address(address)
    family, kind, proto, _name, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, proto)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(where)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def address_of(listener):
    host, port = listener.getsockname()[:2]
    return format_address(host, port)


def satisfies(held, wanted):
    """Port 0 asks for any port: the one that is held will do."""
    if not held:
        return False
    host, port = parse_address(wanted)
    held_host, held_port = parse_address(held[0])
    same_host = host == held_host or (host == "localhost" and held_host in ("127.0.0.1", "::1"))
    return same_host and port in (0, held_port)


def send(channel, message, fds=()):
    data = json.dumps(message).encode() + b"\n"
    if fds:
        socket.send_fds(channel, [data], list(fds))
    else:
        channel.sendall(data)


def receive(channel):
    """The messages that have arrived and their fds; None when the other end is dead."""
    try:
        data, fds, _flags, _address = socket.recv_fds(channel, 65536, 16)
    except ConnectionError:
        return None
    if not data:
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    return [json.loads(line) for line in data.splitlines()], fds


def adopt_orphans():
    """Become the parent of what a killed child leaves behind (Linux; elsewhere init does it)."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        pr_set_child_subreaper = 36
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    except Exception:
        pass
