"""A server as a host: the system's OpenSSH, one shared connection, the agent as root on the other end."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from nuages.errors import CommandError, CommandTimeoutError, HostError, PersonNeededError
from nuages.hosts.answers import Answers, Listener, as_line, time_limit
from nuages.hosts.bootstrap import OLDEST, Way, login_check, program, remote_command, sources
from nuages.hosts.command import Command, Result
from nuages.hosts.early import begun
from nuages.hosts.pieces import arriving, frames, sizes
from nuages.hosts.process import Conversation, attached
from nuages.hosts.ssh_errors import LOST_STATUS, explain, lost, needs_password, refuses_password
from nuages.hosts.ssh_options import Address, Login
from nuages.hosts.transport import Progress
from nuages.secret import Secret


ROOM = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
PATIENCE = 40  # seconds for sudo to take a password; PAM waits a few after a wrong one
CONFIRMED = 20  # seconds for a fresh login
TAKEN_BACK = 600  # seconds for the host to take back what was done when a person pressed Ctrl-C
INSIDE = Path(__file__).with_name("agent_inside.py")
ASK_PROGRAM = '#!/bin/sh\nd=${0%/*}\ncat "$d/answer"\nrm -f "$d/answer"\n'
ASKING = threading.Lock()  # one host asks a person at a time
Password = Secret | Callable[[], Secret | None] | None
Body = Callable[[], Iterable[bytes]]


@dataclass(eq=False)
class RoundTrip:
    answers: Answers
    conversation: Conversation | None = None
    status: int = 0

    @property
    def errors(self) -> str:
        return "".join(self.conversation.errors) if self.conversation else ""

    @property
    def finished(self) -> bool:
        return self.answers.answer is not None or bool(self.answers.failure)

    def mutter(self, line: str) -> None:
        """sudo waits for another try; it gets none, for some systems lock an account after three."""
        if refuses_password(line):
            self.answers.ready.set()


class SshTransport:
    """One server. Nothing is connected before something is asked; then all goes over one connection, shared with the next
    command within a minute too. `sudo_password` may be a function: it is called once, and only where sudo asks.
    `accept_new`: a key that is not known yet is taken as it comes. `alone`: no person is
    asked for anything, and nobody else's contact is used."""

    remote = True

    def __init__(
        self,
        host: Address,
        *,
        sudo_password: Password = None,
        accept_new: bool = False,
        alone: bool = False,
    ) -> None:
        self.host = host
        self.name = host.name
        self.login = Login(host, accept_new)
        self._password = sudo_password
        self._alone = alone
        self._way, self._python = Way.FIRST, "python3"
        self._guard = threading.Lock()
        self._refused: HostError | None = None  # a password is tried once: some systems lock an account after three
        self._under_way: list[tuple[RoundTrip, Mapping[str, Any]]] = []

    @property
    def gate(self) -> bool:
        return self._way is Way.GATE

    @property
    def learned(self) -> tuple[Way, str]:
        """How the login becomes root, and with which Python it goes on."""
        return self._way, self._python

    # --- the contract of Transport -------------------------------------------------------------------------------

    def run(self, command: Command, progress: Progress | None = None) -> Result:
        question = {
            "kind": "command",
            "argv": list(command.argv),
            "env": {**ROOM, **({} if command.user else {"HOME": "/root"}), **command.environment()},
            "cwd": command.cwd or None,
            "timeout": command.timeout,
            "user": command.user,
            "input": command.stdin if isinstance(command.stdin, str) else command.stdin.reveal(),
            "stream": True,
        }

        def listen(event: dict[str, Any]) -> None:
            if progress and event["event"] == "line" and event["line"].strip():
                progress(event["line"])

        told = self._ask({"read": {"it": question}}, listen)["it"]
        if told.get("failed") == "time":
            raise CommandTimeoutError(f"{command} took longer than {command.timeout:g} s", where=self.name)
        if told.get("failed"):
            raise HostError(f"can't start {command.argv[0]}: {told['stderr']}", where=self.name)
        return Result(told["status"], told["stdout"], told["stderr"])

    def check(self, command: Command, progress: Progress | None = None) -> Result:
        result = self.run(command, progress)
        if not result.ok:
            raise CommandError(f"{command} ended with {result.status}", where=self.name, detail=result.tail(12))
        return result

    def read(self, questions: Mapping[str, Mapping[str, Any]], spare: Mapping[str, Any] | None = None) -> dict[str, Any]:
        contact = None if self._alone else begun(self.host)
        found = contact.answer(questions) if contact else None
        if contact and found is not None:
            self._way, self._python = contact.transport.learned
            return found
        return self._ask({"read": questions, **({"spare": spare} if spare and not self.gate else {})})

    def write(self, steps: Iterable[Mapping[str, Any]], journal: str, progress: Listener) -> None:
        self._ask({"write": list(steps), "journal": journal}, progress)

    def cancel(self) -> None:
        for told, request in tuple(self._under_way):
            if "write" in request:
                self._take_back(told, request)
            elif told.conversation:
                told.conversation.stop()

    @contextlib.contextmanager
    def scratch(self, files: Mapping[str, str], links: Mapping[str, str] | None = None, owner: str = "") -> Iterator[str]:
        path = self._scratch(files=dict(files), links=dict(links or {}), owner=owner)
        try:
            yield path
        finally:
            with contextlib.suppress(HostError):  # what stays is swept another day
                self.read({"it": {"kind": "unscratch", "path": path}})

    def ship(
        self,
        pieces: Mapping[str, Path],
        store: str,
        progress: Progress,
        *,
        lacking: Sequence[str] | None = None,
        steps: Sequence[Mapping[str, Any]] = (),
        journal: str = "",
    ) -> int:
        known = sizes(pieces)
        if lacking is None:
            lacking = cast("list[str]", self.read({"it": {"kind": "lacking", "store": store, "pieces": known}})["it"])
        total = sum(known[digest] for digest in lacking)

        def body() -> Iterator[bytes]:
            sent, told = 0, -1
            for _digest, size, frame in frames(pieces, lacking):
                yield from frame
                sent += size
                if (share := 20 * sent // max(1, total)) != told:
                    told = share
                    progress(f"sending {sent / 1e6:.1f} of {total / 1e6:.1f} MB")

        wanted: dict[str, Any] = {"write": list(steps), "journal": journal} if steps else {}
        if lacking and self.gate:  # it judges all of a request before the first piece of it has come
            self._ask({"read": {"it": {"kind": "receive", "store": store}}}, body=body)
        elif lacking:
            self._ask({"read": {"it": {"kind": "receive", "store": store}}, **wanted}, body=body)
            wanted = {}
        if wanted:
            self._ask(wanted)
        return total

    def fetch(self, path: str, to: Path, progress: Progress) -> int:
        with arriving(to, progress) as arrival:
            told = self._ask({"read": {"it": {"kind": "send", "path": path}}}, arrival.hear)["it"]
            return arrival.whole(told, self.name)

    def confirm(self) -> None:
        """A fresh login that becomes root. Raises HostError when it does not within 20 s."""
        way = self._settled_as_root("a change of how people log in")
        argv = self.login.argv(login_check(way), shared=False)
        conversation = self._call(argv, [self._revealed()] if way is Way.PASSWORD else [])
        try:
            status = conversation.end(CONFIRMED)
        except subprocess.TimeoutExpired as error:
            conversation.stop()
            raise HostError("a fresh login did not succeed", where=self.name, detail=f"no answer within {CONFIRMED} s") from error
        errors = "".join(conversation.errors)
        if status and not self._asks_a_person(errors, login_check(way), shared=False):
            raise explain(self.login, status, errors)

    def execute(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str = "", user: str = "", *, terminal: bool = True
    ) -> int:
        """Run a command with this terminal, or with this input and output alone; its exit status. What it is and its
        environment travel in a file of root's that is gone before it starts."""
        sudo, remove = "sudo -n", []
        if self._settled_as_root("commands there") is Way.PASSWORD:
            # The input is the command's, so sudo gets the password from a file of the login's own, removed as it is read.
            login = str(self.read({"it": {"kind": "caller"}})["it"]["as"])
            files = {"answer": self._revealed().decode(), "ask": ASK_PROGRAM}
            folder = self._scratch(files=files, modes={"ask": 0o700}, owner=login)
            sudo, remove = f"SUDO_ASKPASS={shlex.quote(folder)}/ask sudo -k -A", [folder]
        wish = {"argv": list(argv), "env": dict(env), "cwd": cwd, "user": user, "remove": remove}
        path = self._scratch(files={"wish.json": json.dumps(wish), "inside.py": INSIDE.read_text()})
        python = f"python3 -I -S {shlex.quote(path)}/inside.py"
        script = f"if [ $(id -u) -eq 0 ];then exec {python};fi;exec env {sudo} -- {python}"
        ssh, *words = self.login.argv(f"exec /bin/sh -c {shlex.quote(script)}", terminal=terminal)
        return attached((ssh, "-q", *words), dict(os.environ))  # -q: no word of its own at the end

    # --- how it is done ------------------------------------------------------------------------------------------

    def _scratch(self, **how: Any) -> str:
        return str(self.read({"it": {"kind": "scratch", **how}})["it"]["path"])

    def _settled(self) -> Way:
        """How the login becomes root; asks the host when nothing did yet."""
        if self._way is Way.FIRST:
            self.read({})
        return self._way

    def _settled_as_root(self, what: str) -> Way:
        if self._settled() is Way.GATE:
            hint = "log in as yourself: unset NUAGES_DEPLOY_KEY"
            raise PersonNeededError(f"a deploy key has no shell, and is not for {what}", where=self.name, hint=hint)
        return self._way

    def _revealed(self) -> bytes:
        with self._guard:
            if callable(self._password):
                self._password = self._password()
        return self._password.reveal().encode() + b"\n" if self._password else b""

    def _ask(self, request: Mapping[str, Any], listen: Listener = lambda _event: None, body: Body = tuple) -> dict[str, Any]:
        """One round trip. Where the first shows that a password is needed, or a person, there is another."""
        if self._refused:
            raise self._refused
        told = self._round_trip(request, listen, body)
        first = self._way is Way.FIRST
        if first and told.answers.words:
            self._learn(told.answers.words[0], finished=told.finished)
        if told.finished:
            pass
        elif first and needs_password(told.errors) and self._revealed():
            self._way = Way.PASSWORD
            told = self._round_trip(request, listen, body)
            self._way = self._way if told.finished else Way.FIRST
        elif told.status == LOST_STATUS and not told.answers.heard and self._helped(told.errors, writing="write" in request):
            return self._ask(request, listen, body)
        return self._result(told, request)

    def _learn(self, said: str, *, finished: bool) -> None:
        way, _space, python = said.partition(" ")
        if way in (Way.ROOT, Way.SUDO, Way.GATE):
            self._python = python
            self._way = Way(way) if finished else Way.FIRST

    def _round_trip(self, request: Mapping[str, Any], listen: Listener, body: Body) -> RoundTrip:
        told = RoundTrip(Answers(listen))
        words = self._words(request, body, told.answers, patient=self._way is Way.PASSWORD)
        argv = self.login.argv(remote_command(self._way, self._python))
        told.conversation = conversation = self._call(argv, words, told.answers.take, told.mutter)
        self._under_way.append((told, request))
        try:
            told.status = conversation.end(time_limit(request))
        except subprocess.TimeoutExpired as error:
            conversation.stop()
            raise lost(self.name, "no answer within the time limit", writing="write" in request) from error
        except BaseException:
            self._stop(told, request)
            raise
        finally:
            self._under_way.remove((told, request))
        return told

    def _call(
        self,
        argv: tuple[str, ...],
        say: Iterable[bytes],
        hear: Callable[[str], None] = lambda _line: None,
        mutter: Callable[[str], None] = lambda _line: None,
    ) -> Conversation:
        try:
            return Conversation(argv, say, hear, mutter=mutter)
        except OSError as error:
            hint = "install OpenSSH's client (openssh-client on Debian and Ubuntu)"
            raise HostError("there is no ssh on this machine", where=self.name, detail=str(error), hint=hint) from error

    def _words(self, request: Mapping[str, Any], body: Body, answers: Answers, *, patient: bool) -> Iterator[bytes]:
        if patient:
            yield self._revealed()
            answers.ready.wait(PATIENCE)
            if answers.words != [""]:
                return
        if self._way is Way.GATE:
            yield as_line(request)
            yield from body()
            answers.over.wait()
            return
        if body is not tuple:
            yield program(whole=True) + as_line(request)
            yield from body()
            return
        yield program() + as_line(request)
        answers.settled.wait()
        if answers.needs_sources:
            yield sources()
        answers.over.wait()

    def _result(self, told: RoundTrip, request: Mapping[str, Any]) -> dict[str, Any]:
        answers = told.answers
        answers.raise_failure(self.name)
        if answers.answer is not None:
            return answers.answer
        if answers.python:
            what = f"the host's python3 is {answers.python}, and Nuages needs {OLDEST[0]}.{OLDEST[1]} or newer"
            raise HostError(what, where=self.name, hint="install a newer python3 from the system's packages")
        error = explain(self.login, told.status, told.errors, answers.words, begun=answers.heard, writing="write" in request)
        self._refused = error if refuses_password(told.errors) else None
        raise error

    def _stop(self, told: RoundTrip, request: Mapping[str, Any]) -> None:
        """Ctrl-C: the host takes back the steps that are under way; a second one leaves it alone with that."""
        assert told.conversation  # noqa: S101
        try:
            if "write" in request:
                self._take_back(told, request)
                told.conversation.end(TAKEN_BACK)
        except subprocess.TimeoutExpired:
            pass
        finally:
            told.conversation.stop()

    def _take_back(self, told: RoundTrip, request: Mapping[str, Any]) -> None:
        told.answers.listen({"event": "output", "line": f"{self.name}: stopping, and taking back what was done"})
        with contextlib.suppress(HostError):
            self.read({"it": {"kind": "cancel", "journal": request["journal"]}})

    def _helped(self, errors: str, *, writing: bool) -> bool:
        """May another try do better? A shared connection had died unseen, or a person unlocks a key."""
        if "mux_client" in errors or ("closed by remote host" in errors and not writing):
            *words, dashes, target = self.login.argv()
            subprocess.run((*words, "-O", "exit", dashes, target), capture_output=True, check=False, timeout=10)
            return "mux_client" in errors
        return self._asks_a_person(errors, "true", shared=True)

    def _asks_a_person(self, errors: str, command: str, *, shared: bool) -> bool:
        """Refused without a word; in a terminal, ssh may ask for a passphrase, a touch, a code."""
        if self._alone or "Permission denied" not in errors or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        with ASKING:
            argv = self.login.argv(command, batch=False, shared=shared)
            return subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode == 0


class Declared(Protocol):
    """What of a topology matters here."""

    @property
    def hosts(self) -> tuple[Any, ...]: ...


@contextlib.contextmanager
def reach_servers(
    topology: Declared, passwords: Callable[[str], Secret | None] | None = None, *, accept_new: bool = False
) -> Iterator[tuple[SshTransport, ...]]:
    """A way to each declared host, not yet connected. `passwords` is asked for a host's sudo password by the host's name,
    once and only where sudo wants one; by default $NUAGES_SUDO_PASSWORD is it."""
    ask = passwords or password_of
    yield tuple(SshTransport(host, sudo_password=_once(ask, host.name), accept_new=accept_new) for host in topology.hosts)


def password_of(name: str) -> Secret | None:
    """NUAGES_SUDO_PASSWORD_WEB_1 for web-1, else NUAGES_SUDO_PASSWORD; of a person where there is a terminal."""
    own = "NUAGES_SUDO_PASSWORD_" + "".join(c if c.isalnum() else "_" for c in name).upper()
    given = os.environ.get(own) or os.environ.get("NUAGES_SUDO_PASSWORD")
    if given:
        return Secret(given)
    if sys.stdin.isatty() and sys.stderr.isatty():
        import getpass

        with ASKING:
            return Secret(getpass.getpass(f"sudo password on {name}: "))
    return None


def _once(ask: Callable[[str], Secret | None], name: str) -> Callable[[], Secret | None]:
    return lambda: ask(name)
