#!/usr/bin/env python3
"""Stands where OpenSSH would: writes down how it was called, and runs the remote command here, or fails as it is told.

$FAKE_SSH is a folder. `calls` gets the arguments, one JSON list a line. `says` (JSON: [stderr, status]) is said in place of
the connection; a list of such is used up one by one. Programs in `host` come first on the PATH of the remote command.
"""

import json
import os
import sys
from pathlib import Path


def main():
    folder = Path(os.environ["FAKE_SSH"])
    with (folder / "calls").open("a") as file:
        file.write(json.dumps(sys.argv[1:]) + "\n")
    if "-O" in sys.argv or "-G" in sys.argv:
        return 0
    says = folder / "says"
    if says.exists():
        told = json.loads(says.read_text())
        if told:
            says.write_text(json.dumps(told[1:]))
            text, status = told[0]
            sys.stderr.write(text)
            return status
    after = sys.argv.index("--")
    command = " ".join(sys.argv[after + 2 :])
    host = f"{folder}/host"
    environment = {
        "PATH": f"{host}:/usr/bin:/bin",
        "SSH_CONNECTION": "203.0.113.9 40000 192.0.2.11 2222",
        "LOGNAME": "ops",
        "FAKE_SSH": str(folder),
    }
    sys.stdout.flush()
    return os.execve("/bin/sh", ["sh", "-c", command.replace("PATH=/usr", f"PATH={host}:/usr")], environment)


if __name__ == "__main__":
    sys.exit(main())
