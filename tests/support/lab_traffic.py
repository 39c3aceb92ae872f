"""Visitors of a site on a host of the lab, in a process of their own: they go on whatever the story does meanwhile.

    with traffic("https://198.18.0.11", host="shop.example", ca=folder / "ca.pem") as seen:
        ...deploy...
    assert seen.lost == 0, seen

Options are those of `traffic.Traffic`. They stop when the block ends, when the story's process ends, or after `seconds`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from traffic import PATIENCE, Report, Traffic


# About 75 requests in a second: two cores carry the hosts, the visitors and the deploy.
MODERATE = {"rate": 40, "keepalive_rate": 35, "connections": 7, "slow": 1, "uploads": 1, "upload_size": 160_000}
WRITES_EVERY = 0.25


class Seen:
    """What the visitors have met so far; once they have stopped, all of it."""

    def __init__(self, url: str, options: dict[str, object], seconds: float) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="traffic-"))
        self.file = self.folder / "report.json"
        self.patience = float(str(options.get("patience", PATIENCE)))
        self.whole: Report | None = None
        told = json.dumps({"url": url, "options": options, "file": str(self.file), "seconds": seconds}, default=str)
        self.process = subprocess.Popen((sys.executable, __file__, told), stdin=subprocess.PIPE, start_new_session=True)

    @property
    def report(self) -> Report:
        return self.whole or self.so_far()

    def so_far(self) -> Report:
        if not self.file.exists():
            return Report()
        told = json.loads(self.file.read_text())
        return Report(**told | {name: Counter(told[name]) for name in ("sent", "answered", "lost", "bodies")})

    @property
    def lost(self) -> int:
        return self.report.failed

    @property
    def ok(self) -> int:
        return self.report.ok

    @property
    def releases(self) -> list[str]:
        """The releases that answered, in the order of their first answers."""
        met = self.report.releases
        return sorted(met, key=lambda name: met[name][1])

    def wait_for(self, condition: Callable[[Report], object], within: float = 30) -> Report:
        """For a story that goes on when the visitors have met something: `wait_for(lambda r: "2" in r.releases)`."""
        deadline = time.monotonic() + within
        while not condition(self.report):
            assert self.process.poll() is None, f"the visitors have gone: {self.report}"
            assert time.monotonic() < deadline, f"not met within {within} s: {self.report}"
            time.sleep(0.1)
        return self.report

    def stop(self) -> Report:
        """They finish the requests that they are in. The process is gone afterwards in any case."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(self.patience + 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        status = self.process.wait()
        self.whole = self.so_far()
        shutil.rmtree(self.folder)
        assert status == 0, f"the visitors failed ({status}): {self.whole}"
        return self.whole

    def __str__(self) -> str:
        report = self.report
        kinds = ", ".join(f"{kind} {report.answered[kind]}/{sent}" for kind, sent in report.sent.items())
        return f"{report}\n  answered/sent: {kinds}"

    __repr__ = __str__


@contextlib.contextmanager
def traffic(url: str, *, warm: bool = True, seconds: float = 600, **options: object) -> Iterator[Seen]:
    """`warm`: the block begins with the first answer to somebody, and fails if there is none."""
    seen = Seen(url, MODERATE | options, seconds)
    try:
        if warm:
            seen.wait_for(lambda report: report.ok)
        yield seen
    finally:
        seen.stop()
        print(seen)


async def main() -> None:
    told = json.loads(sys.argv[1])
    visitors = Traffic(told["url"], **told["options"])
    coming = asyncio.create_task(visitors.main())
    # Nothing is ever said on standard input: it is closed by the block's end, or by the story's death.
    asyncio.get_running_loop().add_reader(sys.stdin, visitors.stopping.set)
    deadline = visitors.started + told["seconds"]
    while not coming.done():
        write(told["file"], visitors)
        if time.monotonic() > deadline:
            visitors.stopping.set()
        if visitors.stopping.is_set():
            asyncio.get_running_loop().remove_reader(sys.stdin)
        await asyncio.wait([coming], timeout=WRITES_EVERY)
    write(told["file"], visitors)
    coming.result()


def write(file: str, visitors: Traffic) -> None:
    visitors.report.seconds = time.monotonic() - visitors.started
    Path(file + ".new").write_text(json.dumps(vars(visitors.report)))
    os.replace(file + ".new", file)


if __name__ == "__main__":
    asyncio.run(main())
