"""How long until somebody sees how the site stands: the dashboard in a real Chromium, from the click to the drawn facts.

    python bench/dashboard.py [--rounds 9] [--releases 12]

A small site on this machine, with a history. `cold` has a browser that never saw the page, `again` is a reload, `start` counts from
the command line on: Python, the first round of questions to the host, the page. Nothing but loopback is used.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path


sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import chromium
from dashboard_page import served
from live_site import a_site, eventually


BOUND = 1.0  # seconds, for `cold` and `again`
# Runs before anything of the page: when is the verdict there, on the page's own clock?
WATCH = """
new MutationObserver(() => {
  const verdict = document.querySelector("#verdict .words"), release = document.querySelector("#release");
  if (window.drawn === undefined && verdict && verdict.textContent !== "loading" && release.childElementCount) {
    requestAnimationFrame(() => setTimeout(() => { window.drawn ??= performance.now(); }));
  }
}).observe(document, { childList: true, subtree: true, characterData: true });
"""


def main() -> int:
    options = read_options()
    if chromium.missing():
        print(chromium.missing(), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="nuages-bench-") as name:
        folder = Path(name).resolve()
        with a_site(folder / "site") as site:
            site.up()
            for number in range(options.releases):
                site.version(number + 2)
                site.release()
            found = measured(site, folder, options.rounds)
    print("| figure | median | max | bound |\n|---|---|---|---|")
    for name, times in found.items():
        bound = f"<= {BOUND:.1f} s {'met' if max(times) <= BOUND else 'NOT MET'}" if name in ("cold", "again") else "-"
        print(f"| {name} | {statistics.median(times):.2f} s | {max(times):.2f} s | {bound} |")
    return 0 if max(found["cold"] + found["again"]) <= BOUND else 1


def measured(site: object, folder: Path, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"cold": [], "again": [], "start": []}
    size = 0
    for number in range(rounds):
        began = time.monotonic()
        with served(site) as link, chromium.browser(folder / f"profile-{number}") as driver:
            ready = time.monotonic()
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
            begins = time.monotonic()
            driver.get(link)
            first = drawn(driver)
            found["start"].append(time.monotonic() - began - (begins - ready))  # without the start of the browser
            found["cold"].append(first)
            driver.refresh()
            found["again"].append(drawn(driver))
            size = driver.execute_script("return performance.getEntries().reduce((sum, e) => sum + (e.transferSize || 0), 0)")
    print(f"{size / 1024:.0f} KB travel for a page with its facts, by {rounds} rounds", file=sys.stderr)
    return found


def drawn(driver: object) -> float:
    script = "return window.drawn || null"
    return float(eventually(lambda: driver.execute_script(script))) / 1000  # type: ignore[attr-defined]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--releases", type=int, default=12, help="deploys before it is measured")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
