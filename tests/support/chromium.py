"""A real Chromium without a window, and what a test of a page wants of it."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


AXE = Path(__file__).parents[2] / ".tools/axe/axe_playwright_python/axe.min.js"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1280,900",
)  # fmt: skip


def missing() -> str:
    """Why there is no browser here, or ""."""
    if not (chromium() and shutil.which("chromedriver")):
        return "Chromium and chromedriver are not on this machine (Debian: chromium chromium-driver)"
    return ""


def chromium() -> str:
    return shutil.which("chromium") or shutil.which("google-chrome") or ""


@contextlib.contextmanager
def browser(folder: Path, *more: str) -> Iterator[Any]:
    """Its own profile in `folder`, `more` flags; every message of its console is kept."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium()
    for flag in (*FLAGS, *more, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def as_phone(driver: Any, width: int = 390, height: int = 844) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def as_desktop(driver: Any) -> None:
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def scheme(driver: Any, value: str) -> None:
    """`light` or `dark`."""
    features = [{"name": "prefers-color-scheme", "value": value}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def violations(driver: Any) -> list[str]:
    """What axe-core finds wrong with the page as it is now. It is put in from outside: the page's policy lets no stranger in."""
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    script = "const done = arguments[0]; axe.run().then((told) => done(told.violations))"
    found = driver.execute_async_script(script)
    return [f"{each['id']}: {node['html'][:160]}: {node['failureSummary']}" for each in found for node in each["nodes"]]


def screenshot(driver: Any, path: Path) -> None:
    """The whole page, for people to look at."""
    size = driver.execute_script("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 6000), "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(taken["data"]))
