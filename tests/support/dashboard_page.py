"""`nuages dashboard` as a process, and its page as a person sees it: titles, buttons by their words, lists."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
from collections.abc import Iterator
from typing import Any

from live_site import Site, eventually


@contextlib.contextmanager
def served(site: Any) -> Iterator[str]:
    """Yields the link that opens the page of a site of this machine, or of one on hosts of the lab."""
    process = start(site)
    try:
        assert process.stdout
        ready, _w, _x = select.select([process.stdout], [], [], 30)
        assert ready, "nuages dashboard said nothing"
        line = process.stdout.readline()
        link = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        assert link, line
        yield link[0]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def start(site: Any) -> subprocess.Popen[str]:
    words = ("dashboard", "--no-open")
    if isinstance(site, Site):
        return site.start_nuages(*words)
    return site.started(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Page:
    def __init__(self, driver: Any, link: str) -> None:
        self.driver, self.link = driver, link
        driver.get(link)
        self.loaded()

    def loaded(self) -> None:
        eventually(lambda: self.text("verdict") not in ("", "loading") and self.text("release"))

    def reload(self) -> None:
        self.driver.refresh()
        self.loaded()

    def text(self, id_: str) -> str:
        script = "const e = document.getElementById(arguments[0]); return e && !e.hidden ? e.innerText : ''"
        return str(self.driver.execute_script(script, id_))

    def button(self, words: str) -> Any:
        """The one that can be pressed now."""
        script = (
            "return [...document.querySelectorAll('button')].find((b) => b.textContent === arguments[0] && !b.disabled) || null"
        )
        return eventually(lambda: self.driver.execute_script(script, words), 30)

    def press(self, words: str) -> None:
        """By a real click, once it is in sight."""
        button = self.button(words)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def open(self, list_: str, title: str) -> None:
        """Unfold the entry of a list that has this title."""
        script = (
            "const all = [...document.querySelectorAll(`#${arguments[0]} details`)];"
            "const one = all.find((d) => d.querySelector('summary strong').textContent === arguments[1]);"
            "if (one) one.open = true; return Boolean(one)"
        )
        assert eventually(lambda: self.driver.execute_script(script, list_, title))

    def awaits_plan(self, title: str) -> str:
        return str(eventually(lambda: self.text("job").startswith(f"{title}: the plan") and self.text("job"), 90))

    def ends(self, title: str, state: str = "done") -> str:
        return str(eventually(lambda: self.text("job").startswith(f"{title}: {state}") and self.text("job"), 90))

    def carry_out(self, title: str) -> str:
        """Read the plan, agree to it, see it done, close it. Returns the plan."""
        plan = self.awaits_plan(title)
        self.press("Apply")
        self.ends(title)
        self.press("Close")
        return plan

    def console(self) -> list[str]:
        """What the browser complained of since the last time."""
        return [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]


def chosen_folder(name: str) -> str:
    """Where screenshots go, where somebody wants them: NUAGES_SCREENSHOTS=folder."""
    folder = os.environ.get("NUAGES_SCREENSHOTS", "")
    return os.path.join(folder, name) if folder else ""
