"""Gunicorn's configuration for every release. Works with Gunicorn 20.1 and later: it ignores settings that it does not know."""

from __future__ import annotations

import os
import sys


sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from nuages_runtime.proof import prove_worker as post_worker_init  # noqa: F401
from nuages_runtime.proof import read_policy
from nuages_runtime.watch import begin as _watch


_policy = read_policy()


def _number(name, key, default):
    return int(os.environ.get(name) or _policy.get(key) or default)


def _worker_class():
    """Gunicorn's own ASGI worker where it has one, else what the project's uvicorn brings."""
    from importlib.util import find_spec

    if _policy.get("interface") != "asgi":
        return "nuages_runtime.worker.PatientWorker"
    if find_spec("gunicorn.workers.gasgi"):
        return "asgi"
    return "uvicorn_worker.UvicornWorker" if find_spec("uvicorn_worker") else "uvicorn.workers.UvicornWorker"


# On servers a unix socket behind the proxy. Here it comes from the keeper by LISTEN_FDS, which wins; the address counts
# where somebody starts this by hand.
_socket = os.environ.get("NUAGES_SOCKET")
bind = "unix:" + _socket if _socket else "%s:%s" % (_policy.get("bind", "127.0.0.1"), _policy.get("port") or 8000)
workers = _number("NUAGES_WORKERS", "workers", 2)
# Of clients, slow ones too; NUAGES_THREADS of them at a time are let into the project (nuages_runtime.slots).
threads = 1 if _policy.get("interface") == "asgi" else max(512, _number("NUAGES_THREADS", "threads", 32))
worker_class = _worker_class()
graceful_timeout = int(_policy.get("drain", 30))
timeout = 60  # of a worker's heartbeat, not of a request: threads do not stop it
keepalive = 10
worker_connections = 2000
backlog = 2048
max_requests = int(_policy.get("max_requests", 0))
max_requests_jitter = max_requests // 5
_memory = "/dev/shm"  # noqa: S108 - a heartbeat on a slow disk would stop workers
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None
control_socket_disable = True  # newer versions open one in $XDG_RUNTIME_DIR by default
forwarded_allow_ips = ""  # nuages_runtime.forwarded decides whom to believe
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16380
proc_name = "%s v%s" % (_policy.get("site", "nuages"), _policy.get("number", "0"))
logger_class = "nuages_runtime.request_log.RequestLog"


def post_fork(server, worker):
    _watch()
