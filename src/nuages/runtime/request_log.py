"""One line for each request on standard output: time, method, path, status, milliseconds, bytes, request id."""

from __future__ import annotations

import contextlib
import json
import os
import time

from gunicorn.glogging import Logger
from nuages_runtime.proof import read_policy


class RequestLog(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        policy = read_policy()
        self.as_json = policy.get("log_format") == "json"
        self.quiet = policy.get("log_requests") is False

    def access(self, resp, req, environ, request_time):
        """Written with one system call, past the logging module, which costs several times as much."""
        if self.quiet:
            return
        status = getattr(resp, "status_code", None) or str(resp.status).split(None, 1)[0]
        now = time.time()
        fields = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000),
            environ.get("REQUEST_METHOD", req.method),
            environ.get("RAW_URI") or req.path,
            int(status),
            request_time.total_seconds() * 1000,
            getattr(resp, "sent", 0) or 0,
            environ.get("nuages.request_id", "-"),
        )
        with contextlib.suppress(OSError):
            os.write(1, (self._json(fields) if self.as_json else self._text(fields)).encode("utf-8", "replace"))

    @staticmethod
    def _text(fields):
        at, method, path, status, milliseconds, size, request_id = fields
        if not path.isprintable():
            path = ascii(path)
        return "%s %s %s %d %.1fms %db %s\n" % (at, method, path, status, milliseconds, size, request_id)

    @staticmethod
    def _json(fields):
        names = ("time", "method", "path", "status", "ms", "bytes", "request_id")
        return json.dumps(dict(zip(names, fields), event="request", ms=round(fields[4], 1))) + "\n"
