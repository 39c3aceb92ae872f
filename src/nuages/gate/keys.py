"""keys.py LOGIN: who may log in as LOGIN by key, and by which of them this connection came, as one JSON object. Sent when it is
asked; no part of the gate. Stdlib only, Python 3.9+."""

import json
import os
import pwd
import re
import subprocess
import sys


def session():
    """Address and port of the client: sudo hides SSH_CONNECTION from us, but not from its own parents."""
    pid = os.getpid()
    for _generation in range(12):
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                found = re.search(rb"(?:^|\0)SSH_CONNECTION=(\S+) (\d+) ", file.read())
            if found:
                return found.group(1).decode(), found.group(2).decode()
            with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            break
        if pid <= 1:
            break
    return "", ""


def in_use():
    """The fingerprint that sshd logged for this connection; "" where it does not tell."""
    address, port = session()
    if not port:
        return ""
    asked = ["journalctl", "-q", "-o", "cat", "-n", "20000", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"]
    try:
        lines = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        lines = []
    try:
        with open("/var/log/auth.log", encoding="utf-8", errors="replace") as file:
            lines += file.read().splitlines()[-20000:]
    except OSError:
        pass
    for line in reversed(lines):
        found = re.search(r"Accepted publickey for \S+ from (\S+) port (\d+) ssh2: \S+ (SHA256:\S+)", line)
        if found and found.group(1) == address and found.group(2) == port:
            return found.group(3)
    return ""


def lines_of(login):
    try:
        path = os.path.join(pwd.getpwnam(login).pw_dir, ".ssh", "authorized_keys")
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip() and not line.startswith("#")]
    except (KeyError, OSError):
        return []


if __name__ == "__main__":
    print(json.dumps({"login": sys.argv[1], "keys": lines_of(sys.argv[1]), "in_use": in_use()}))
