"""Notifications leave from here by webhook, and from the site's own host by the site's own mail. None of them stops a deploy."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from nuages.engine.model import Live
from nuages.engine.notify_text import Message
from nuages.engine.observe import seats
from nuages.engine.prepare import find_build
from nuages.errors import NuagesError
from nuages.hosts import reach
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport
from nuages.migrations.rehearsal import Code
from nuages.release.layout import site_layout
from nuages.secret import Secret
from nuages.settings.configuration import Configuration
from nuages.topology.model import Topology


SECONDS = 5.0  # for a webhook to answer, and for a mail server
MAIL_SECONDS = 20.0  # for the project to load and hand a mail over
NO_SERVER = 3  # the exit status of runtime/mailing.py where the project's mail goes nowhere


@dataclass
class Courier:
    """Takes messages and delivers them beside the work; `wait` ends with them, or with their patience."""

    topology: Topology
    config: Configuration = field(repr=False)
    note: Callable[[str], None]
    threads: list[threading.Thread] = field(default_factory=list)

    def send(self, message: Message, *, mail: bool = True) -> None:
        for name in self.topology.notify.webhook:
            self._beside(f"notify {name}", lambda name=name: post(address_of(name, self.config), message))  # type: ignore[misc]
        if mail and self.topology.notify.mail:
            self._beside("notify by mail", lambda: self._mail(message))

    def wait(self) -> None:
        for thread in self.threads:
            thread.join(MAIL_SECONDS + SECONDS)
        self.threads.clear()

    def _beside(self, what: str, deliver: Callable[[], str]) -> None:
        def attempt() -> None:
            try:
                fault = deliver()
            except NuagesError as error:
                fault = error.what
            except Exception as error:  # noqa: BLE001 - a deploy is worth more than the news of it
                fault = type(error).__name__
            if fault:
                self.note(f"{what}: not delivered: {fault}")

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _mail(self, message: Message) -> str:
        layout = site_layout(self.topology)
        with reach(self.topology) as hosts:
            live = seats(hosts, layout, self.topology, None)[0].live
            if not live.release:
                return "nothing is live yet, and mail goes out as the site's own"
            return send_mail(hosts.lead, live, self.topology, message)


def address_of(name: str, config: Configuration) -> str:
    return config.env.get(name) or os.environ.get(name, "")


def post(address: str, message: Message) -> str:
    """Why it was not taken, or "". The address is a secret, so that only its host is ever named."""
    if not address:
        return "it is set neither in the site's configuration (nuages config set) nor here"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "its value is no http address"
    body = json.dumps(message.as_slack()).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "nuages"}
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310 - its scheme was looked at
    try:
        with _opener().open(request, timeout=SECONDS) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        return f"{parts.hostname} answered {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        slow = isinstance(reason, TimeoutError)
        return f"{parts.hostname} gave no answer within {SECONDS:g} s" if slow else f"{parts.hostname} can't be reached"
    return ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A message is posted where it was told to, and nowhere else."""

    def redirect_request(self, *_arguments: object, **_more: object) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirects)


def send_mail(lead: Transport, live: Live, topology: Topology, message: Message) -> str:
    """By Django's own mail in the live release, as the account of the site."""
    release = live.release or {}
    build, folder = find_build(lead, live, release["build"]), live.layout.numbered(live.number)
    environ: Mapping[str, str] = lead.read({"it": {"kind": "json", "path": str(folder / "env.json")}})["it"] or {}
    env = {**environ, **build.environ, "NUAGES_RELEASE": str(folder)}
    code = Code(f"{build.manifest['environment']}/bin/python", env, str(build.manage_dir), topology.account)
    told = {"to": list(topology.notify.mail), "subject": message.headline, "text": message.text, "seconds": SECONDS}
    command: Command = code.module("mailing", timeout=MAIL_SECONDS).with_(stdin=Secret(json.dumps(told)))
    result = lead.run(command)
    if result.status == NO_SERVER:
        return "the site has no mail server: nuages config set EMAIL_URL=smtp://..."
    return "" if result.ok else result.tail(1) or f"status {result.status}"
