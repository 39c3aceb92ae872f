"""`python -m nuages.lab.watcher NAME`: waits for the end of a lab's owner, then takes the lab away."""

from __future__ import annotations

import os
import select
import sys

from nuages.lab import store
from nuages.lab.lab import end


SECONDS = 5  # between two looks whether there is still a lab to watch


def main(name: str) -> None:
    lab = store.load_lab(name)
    if lab is None or not lab.owner:
        return
    try:
        owner = os.pidfd_open(int(lab.owner.split()[0]))
    except ProcessLookupError:
        owner = -1  # and `alive` says so too
    while store.alive(lab.owner) and not select.select([owner], [], [], SECONDS)[0]:
        if store.load_lab(name) != lab:
            return  # taken away in peace
    end(lab)


if __name__ == "__main__":
    main(sys.argv[1])
