#!/usr/bin/env python3
"""sudo as its callers see it. $FAKE_SSH/sudo says what it wants: "nothing", a password, or "never"."""

import os
import sys
from pathlib import Path


def refuse(text):
    sys.stderr.write(text + "\n")
    sys.exit(1)


def line():
    """Read as sudo reads: byte by byte, so that what follows is left to the command."""
    taken = b""
    while not taken.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            refuse("sudo: no password was provided\nsudo: 1 incorrect password attempt")
        taken += byte
    return taken.decode().rstrip("\n")


folder = Path(os.environ["FAKE_SSH"])
wants = (folder / "sudo").read_text()
if wants == "never":
    refuse("ops is not in the sudoers file.")
if wants != "nothing":
    if "-n" in sys.argv:
        refuse("sudo: a password is required")
    while True:
        with (folder / "tried").open("a") as file:
            given = line()
            file.write(given + "\n")
        if given == wants:
            break
        sys.stderr.write("Sorry, try again.\n")
        sys.stderr.flush()
command = sys.argv[sys.argv.index("--") + 1 :]
os.execvp(command[0], command)
