"""Measure Nuages against the same work done by hand, in the same run on the same machine, and print ratios.

    make bench                                    all of it, within ten minutes
    python bench/run.py --only unchanged --rounds 9

Everything lives in a temporary folder and listens on loopback; processes and files are removed at the end. The exit
status is 1 when a bound is not met.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deploys import code_change, first_up, unchanged
from measuring import HEADER, FailedError, Figure
from throughput import throughput


Scenario = Callable[[Path, int], Iterator[Figure]]
SCENARIOS: dict[str, tuple[Scenario, int]] = {  # with the number of rounds
    "unchanged": (unchanged, 9),
    "code": (code_change, 5),
    "up": (first_up, 3),
    "throughput": (throughput, 5),
}


def main() -> int:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a stopped run cleans up too
    figures = []
    started = time.monotonic()
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="nuages-bench-") as folder:
        for name, (scenario, rounds) in SCENARIOS.items():
            if options.only and name not in options.only:
                continue
            try:
                for figure in scenario(Path(folder).resolve(), options.rounds or rounds):
                    print(figure.line(), flush=True)
                    figures.append(figure)
            except FailedError as error:
                print(f"{name} could not be measured: {error}", file=sys.stderr)
                return 2
    print(f"\n{time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0 if all(figure.met for figure in figures) else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this one; may be given again")
    parser.add_argument("--rounds", type=int, help="of each (default: 3 to 9, by how long one takes)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
