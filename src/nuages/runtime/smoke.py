"""Ask the live site, as a visitor would: python -m nuages_runtime.smoke --to 127.0.0.1:443 --questions JSON

Through whatever stands before it: its proxy on this host, or its own socket. Its certificate is not judged, for it may be
of an authority of its own; `nuages doctor` judges it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import ssl
import sys
import time
from urllib.parse import urljoin, urlsplit

from nuages_runtime.proof import read_policy
from nuages_runtime.proof_request import MOST, REDIRECTS, matches, public_host


SECONDS = 10.0  # for one answer


class To(http.client.HTTPConnection):
    """A connection to a place that is chosen by us, and not by the name that is asked for."""

    def __init__(self, place, host, secure):
        super().__init__(host, timeout=SECONDS)
        self.place, self.secure = place, secure

    def connect(self):
        if self.place.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(SECONDS)
            self.sock.connect(self.place[5:])
        else:
            address, _, port = self.place.rpartition(":")
            self.sock = socket.create_connection((address.strip("[]"), int(port)), SECONDS)
        if self.secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def ask(place, host, scheme, path):
    secure = scheme == "https" and not place.startswith("unix:")
    connection = To(place, host, secure)
    try:
        headers = {"Host": host, "User-Agent": "nuages-smoke", "Accept": "text/html,*/*;q=0.8", "X-Forwarded-Proto": scheme}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or "", answer.read(MOST)
    finally:
        connection.close()


def fault(place, host, scheme, question):
    """Why the answer is not what it should be, or ""."""
    path, expect, text = question["path"], question["expect"], question["contains"]
    asked = path
    for _ in range(REDIRECTS + 1):
        try:
            status, location, body = ask(place, host, scheme, asked)
        except (OSError, http.client.HTTPException) as error:
            return "GET %s got no answer: %s" % (path, error or type(error).__name__)
        target = urlsplit(urljoin("%s://%s%s" % (scheme, host, asked), location)) if location else None
        if matches(status, expect) or target is None or target.netloc != host or target.scheme != scheme:
            break
        asked = target.path + ("?" + target.query if target.query else "")
    if not matches(status, expect):
        return "GET %s answered %d, expected %s" % (path, status, expect)
    if text and text not in body.decode("utf-8", "replace"):
        return "GET %s answered %d, and its page does not hold %r" % (path, status, text)
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--questions", required=True)
    parser.add_argument("--after", type=float, default=0.0)
    given = parser.parse_args()
    policy = read_policy()
    host, scheme = public_host(policy), "https" if (policy.get("tls") or {}).get("enabled") else "http"
    time.sleep(given.after)
    for question in json.loads(given.questions):
        said = fault(given.to, host, scheme, question)
        if said:
            print(json.dumps({"error": said}))  # as the programs of the supervisor say it
            sys.exit(1)
        print("GET %s is as it should be" % question["path"])


if __name__ == "__main__":
    main()
