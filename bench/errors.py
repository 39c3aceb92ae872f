"""A storm of errors: requests per second of a view that fails, with the book of errors and its mail, against the same release
that only logs, and against one where Django mails each error itself. All log each traceback; rounds are paired.

    python bench/errors.py [ROUNDS]
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from measuring import HEADER, Figure


SUPPORT = Path(__file__).parents[1] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from live_site import a_site, free_port  # noqa: E402
from smtp_sink import Sink  # noqa: E402


SECONDS, CONNECTIONS = 5, 8
SILENCED = "\nfrom nuages_runtime import recording\nrecording.connect = lambda policy: None\n"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="nuages-bench-") as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        ours, plain, django = (stack.enter_context(a_site(place / name)) for name in ("ours", "plain", "django"))
        sinks = {site: sink_of(site, place / f"mail-{index}") for index, site in enumerate((ours, django))}
        for site in (plain, django):
            site.write(**{"shop/settings.py": SILENCED + (site.root / "shop" / "settings.py").read_text()})
        for site in (ours, plain, django):
            site.up()
            hammer(site)  # warm
        runs: dict[object, list[tuple[float, float]]] = {ours: [], plain: [], django: []}
        for number in range(rounds):
            for site in (ours, plain) if number % 2 else (plain, ours):  # whoever comes first has no advantage
                runs[site].append(hammer(site))
        runs[django].append(hammer(django))  # at the end: it is slow, and weighs on what comes after
        print(HEADER)
        rates, costs = ({site: [run[part] for run in found] for site, found in runs.items()} for part in (0, 1))
        each = tuple(zip(costs[ours], costs[plain], strict=True))
        print(Figure("a view that fails, against plain logging", "CPU ms each", each, bound=1.1).line())
        each = tuple(zip(rates[ours], rates[plain], strict=True))
        print(Figure("the same", "requests/s", each, better="more").line())
        each = ((rates[ours][-1], rates[django][-1]),)
        print(Figure("the same, against Django's own error mail", "requests/s", each, better="more").line())
        time.sleep(3)
        told(ours, sinks)


def sink_of(site, folder: Path) -> Sink:
    """A mail server, and a site that is told to use it."""
    sink = Sink(free_port(), folder)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    site.nuages("config", "set", f"EMAIL_URL=smtp://127.0.0.1:{sink.server_address[1]}", "ADMINS=ann@shop.example")
    return sink


def hammer(site) -> tuple[float, float]:
    """Requests per second, and milliseconds of CPU time that the site's processes spent on each."""
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"{site.url}/fail"]
    before = cpu(site)
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    many = int(re.search(r"(\d+) requests in", said)[1])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), 1000 * (cpu(site) - before) / many


def cpu(site) -> float:
    total = 0
    for pid in site.pids():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def told(ours, sinks) -> None:
    counted = sum(group["count"] for group in json.loads(ours.nuages("errors", "--json").stdout))
    logged = sum(
        "RuntimeError: the view fails" in line for path in (ours.state / "logs").glob("web.log*") for line in path.open()
    )
    mine, theirs = (sink.count for sink in sinks.values())
    print(f"\n{counted} errors counted, {logged} of them still in the log; {mine} mails, where Django's own were {theirs}")


if __name__ == "__main__":
    main()
