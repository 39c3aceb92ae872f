"""`python -m nuages.lab.watcher NAME`: waits for the end of a lab's owner, then takes the lab away."""

from __future__ import annotations

import os
import select
import sys

from nuages.lab import store
from nuages.lab.lab import Lab


def main(name: str) -> None:
    lab = store.load_lab(name)
    if lab is None or not lab.owner:
        return
    try:
        owner = os.pidfd_open(int(lab.owner.split()[0]))
    except ProcessLookupError:
        owner = -1
    if owner >= 0 and store.alive(lab.owner):
        select.select([owner], [], [])
    if store.load_lab(name) == lab:  # it may have been taken away and another made under its name
        Lab(name).down()


if __name__ == "__main__":
    main(sys.argv[1])
