"""A pretend host: a disk in a dict, commands that are written down in place of run. A peer of LocalTransport."""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import hashlib
import json
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nuages.errors import CommandError, HostError
from nuages.hosts.command import Command, Result
from nuages.hosts.transport import Progress


Event = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """What lies at a path: bytes with a mode, or a link (`target`), or a folder."""

    content: bytes = b""
    mode: int = 0o644
    target: str = ""
    folder: bool = False
    owner: str = ""  # "": whoever wrote it, root on a server
    group: str = ""

    @property
    def text(self) -> str:
        return self.content.decode()

    def of(self, owner: str | None, group: str | None, mode: int) -> Entry:
        return replace(self, owner=owner or self.owner, group=group or self.group, mode=mode)


@dataclass
class FakeDisk:
    """Absolute path -> Entry. Folders are there when something lies in them, or when they were made."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def resolve(self, path: str) -> str:
        """Follow links, as the kernel would, in every part of the path."""
        done = "/"
        for part in posixpath.normpath(path).strip("/").split("/"):
            done = posixpath.join(done, part)
            for _hop in range(40):
                entry = self.entries.get(done)
                if entry is None or not entry.target:
                    break
                done = posixpath.normpath(posixpath.join(posixpath.dirname(done), entry.target))
        return done

    def exists(self, path: str) -> bool:
        real = self.resolve(path)
        return real in self.entries or bool(self.names(path))

    def read(self, path: str) -> str | None:
        entry = self.entries.get(self.resolve(path))
        return entry.text if entry and not entry.folder else None

    def json(self, path: str) -> Any:
        text = self.read(path)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            return {"unreadable": f"{path}: {error}"}

    def names(self, path: str) -> list[str]:
        inside = self.resolve(path).rstrip("/") + "/"
        found = {p.removeprefix(inside).split("/")[0] for p in self.entries if p.startswith(inside)}
        return sorted(n for n in found if not n.startswith("."))

    def under(self, path: str) -> dict[str, Entry]:
        """Files and links below a folder, by their path relative to it."""
        inside = self.resolve(path).rstrip("/") + "/"
        return {p.removeprefix(inside): e for p, e in self.entries.items() if p.startswith(inside) and not e.folder}

    def place(self, path: str, entry: Entry) -> None:
        folder, name = posixpath.split(path)
        self.entries[posixpath.join(self.resolve(folder), name)] = entry

    def remove(self, path: str) -> None:
        folder, name = posixpath.split(path)
        exact = posixpath.join(self.resolve(folder), name)
        self.entries = {p: e for p, e in self.entries.items() if p != exact and not p.startswith(exact + "/")}


class FakeTransport:
    """Answers reads from its disk, carries writes out on it, and records every command.

    `answers` maps a shell pattern over `str(command)` to a Result, or to an exception that is raised; the first that
    fits counts, everything else succeeds in silence. `fail_at` makes that step (counted from 1 over the life of the
    transport) fail. `status` is what the supervisor says of itself; None: it is not there. `told` are answers to questions by
    their kind, in place of what this host would say; an exception is raised.
    """

    remote = False
    gate = False

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        *,
        name: str = "web-1",
        answers: Mapping[str, Result | Exception] | None = None,
        status: Mapping[str, Any] | None = None,
        host: Mapping[str, Any] | None = None,
        fail_at: int = 0,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.disk = FakeDisk({path: Entry(text.encode()) for path, text in (files or {}).items()})
        self.answers = dict(answers or {})
        self.status = status
        self.host = {"cores": 2, "memory": 4 * 2**30, "python": "3.13.0", "python_path": "/usr/bin/python3", **(host or {})}
        self.fail_at = fail_at
        self.told = dict(told or {})
        self.commands: list[Command] = []
        self.steps: list[str] = []  # texts of the steps that were begun
        self.confirmed = 0  # fresh logins

    def run(self, command: Command, progress: Progress | None = None) -> Result:
        self.commands.append(command)
        fitting = (a for pattern, a in self.answers.items() if fnmatch.fnmatchcase(str(command), pattern))
        answer = next(fitting, Result(0, "", ""))
        if isinstance(answer, Exception):
            raise answer
        for line in (answer.stdout + answer.stderr).splitlines() if progress else ():
            progress(line)  # type: ignore[misc]
        return answer

    def check(self, command: Command, progress: Progress | None = None) -> Result:
        result = self.run(command, progress)
        if not result.ok:
            raise CommandError(f"{command} ended with {result.status}", where=self.name, detail=result.tail(12))
        return result

    def read(self, questions: Mapping[str, Mapping[str, Any]], spare: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {key: self._answer(**question) for key, question in questions.items()}

    def write(self, steps: Iterable[Mapping[str, Any]], journal: str, progress: Callable[[Event], None]) -> None:
        done: list[Mapping[str, Any]] = []
        for number, step in enumerate(steps, 1):
            self.steps.append(step["text"])
            self._record(journal, step, "begin")
            progress({"event": "begin", "step": number, "text": step["text"]})
            try:
                self._carry_out(step)
            except HostError as error:
                self._record(journal, step, "failed", error=error.what)
                undone = self._undo([*done, step], journal)
                failed = {"what": error.what, "detail": error.detail, "hint": error.hint, "undone": undone}
                progress({"event": "failed", "step": number, "text": step["text"], **failed})
                raise CommandError(error.what, where=self.name, detail=error.detail, hint=error.hint) from error
            self._record(journal, step, "done", seconds=0)
            progress({"event": "done", "step": number, "text": step["text"], "seconds": 0.0})
            done.append(step)

    @contextlib.contextmanager
    def scratch(self, files: Mapping[str, str], links: Mapping[str, str] | None = None, owner: str = "") -> Iterator[str]:
        path = f"/scratch/{len(self.commands)}"
        for name, text in files.items():
            self.disk.place(f"{path}/{name}", Entry(text.encode(), 0o600, owner=owner))
        for name, target in (links or {}).items():
            self.disk.place(f"{path}/{name}", Entry(mode=0o777, target=target, owner=owner))
        yield path
        self.disk.remove(path)

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
        sent = 0
        for digest, source in pieces.items():
            place = f"{store}/{digest[:2]}/{digest}"
            if place not in self.disk.entries:
                self.disk.place(place, Entry(source.read_bytes()))
                sent += len(self.disk.entries[place].content)
        if steps:
            self.write(steps, journal, lambda _event: None)
        return sent

    def fetch(self, path: str, to: Path, progress: Progress) -> int:
        if path not in self.disk.entries:
            raise HostError(f"can't copy {path}", where=self.name)
        return to.write_bytes(self.disk.entries[path].content)

    def cancel(self) -> None:
        """Nothing is under way for long here."""

    def confirm(self) -> None:
        self.confirmed += 1

    def execute(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str = "", user: str = "", *, terminal: bool = True
    ) -> int:
        return self.run(Command(tuple(argv), env=dict(env), cwd=cwd, user=user)).status

    # --- reads -----------------------------------------------------------------------------------------------

    def _answer(self, kind: str, **arguments: Any) -> Any:
        if kind not in self.told:
            return getattr(self, f"_read_{kind}")(**arguments)
        if isinstance(self.told[kind], Exception):
            raise self.told[kind]
        return self.told[kind]

    def _read_json(self, path: str) -> Any:
        return self.disk.json(path)

    def _read_text(self, path: str, limit: int = 1 << 20) -> str | None:
        text = self.disk.read(path)
        return text if text is None else text[limit:] if limit < 0 else text[:limit]

    def _read_host(self) -> Mapping[str, Any]:
        system = {"os": "debian", "os_version": "13", "arch": "x86_64", "libc": "glibc 2.41", "ssh_port": 22, "ssh_ports": [22]}
        return {"platform": "linux", "hostname": self.name, "uid": 0, "pythons": {}, **system, **self.host}

    def _read_vitals(self, dir: str = "/", *, updates: bool = False) -> dict[str, Any]:  # noqa: A002
        sizes = {"memory": 4 << 30, "memory_free": 3 << 30, "swap": 0, "swap_free": 0, "disk": 40 << 30, "disk_free": 30 << 30}
        waiting = {"pending": 0, "security": 0, "checked": time.time(), "reboot": False} if updates else None
        told = {"now": time.time(), "load": [0.1, 0.2, 0.3], "cores": 2, "inodes_free": 0.9, "uptime": 86400.0}
        return {**told, **sizes, "system": "Debian GNU/Linux 13 (trixie)", "updates": waiting}

    def _read_ask(self, **_how: Any) -> dict[str, Any]:
        return {"status": 200, "problem": "", "location": "", "target": "", "seconds": 0.01}

    def _read_traffic(self, path: str, seconds: float = 900, style: str = "") -> dict[str, Any]:
        return {"now": time.time(), "since": time.time() - seconds, "minutes": {}, "partial": False}

    def _read_free_port(self, after: int, bind: str = "127.0.0.1") -> dict[str, int]:
        return {"port": after}

    def _read_supervisor(self, program: str, dir: str) -> dict[str, Any] | None:  # noqa: A002
        return None if self.status is None else {"status": 0, "stdout": json.dumps(self.status), "stderr": ""}

    def _read_command(self, argv: list[str], **how: Any) -> dict[str, Any]:
        command = Command(tuple(argv), env=how.get("env") or {}, cwd=how.get("cwd") or "", user=how.get("user", ""))
        result = self.run(command)
        return {"status": result.status, "stdout": result.stdout, "stderr": result.stderr}

    def _read_files(self, paths: list[str]) -> dict[str, Any]:
        return {path: self._look(path) for path in paths}

    def _look(self, path: str) -> dict[str, Any] | None:
        entry = self.disk.entries.get(path)
        if entry is None:
            return {"mode": 0o755, "size": 0} if self.disk.names(path) else None
        looked: dict[str, Any] = {"mode": entry.mode, "size": len(entry.content)}
        if entry.target:
            return {**looked, "target": entry.target}
        return looked if entry.folder else {**looked, "sha256": hashlib.sha256(entry.content).hexdigest()}

    def _read_lock(self, path: str, token: str, owner: Mapping[str, Any], seconds: float, over: str = "") -> dict[str, Any]:
        holder = self.disk.json(path) or {}
        if holder.get("token") not in (token, over) and holder.get("expires", 0) > time.time():
            return {"holder": holder, "writing": False}
        mine = {"token": token, "owner": owner, "since": time.time(), "expires": time.time() + seconds}
        self.disk.place(path, Entry(json.dumps(mine).encode()))
        self._audit(path, "taken", mine)
        return {"taken": True}

    def _read_locked(self, path: str) -> dict[str, Any]:
        holder = self.disk.json(path)
        holds = {"holder": holder, "holds": holder["expires"] > time.time()} if holder else {}
        return {**holds, "writing": False, "now": time.time()}

    def _read_renew(self, path: str, token: str, seconds: float) -> dict[str, Any]:
        holder = self.disk.json(path) or {}
        if holder.get("token") != token:
            return {"held": False}
        self.disk.place(path, Entry(json.dumps({**holder, "expires": time.time() + seconds}).encode()))
        return {"held": True}

    def _read_break_lock(self, path: str, who: Mapping[str, Any]) -> dict[str, Any]:
        holder = self.disk.json(path)
        if not holder:
            return {}
        self.disk.remove(path)
        self._audit(path, "broken", {**holder, "owner": who}, held_by=holder["owner"].get("user", ""))
        return {"broken": holder}

    def _read_unlock(self, path: str, token: str, outcome: str = "") -> dict[str, Any]:
        holder = self.disk.json(path) or {}
        if holder.get("token") == token:
            self.disk.remove(path)
            self._audit(path, "released", holder, outcome=outcome)
        return {}

    def _audit(self, lock: str, event: str, holder: Mapping[str, Any], **more: Any) -> None:
        owner = holder.get("owner", {})
        told = {"who": owner.get("user", ""), "what": owner.get("what", ""), "reason": owner.get("reason", "")}
        line = {"at": "", "event": event, "deploy": holder["token"], **told, **more}
        path = f"{posixpath.dirname(lock)}/audit.jsonl"
        self.disk.place(path, Entry(((self.disk.read(path) or "") + json.dumps(line) + "\n").encode()))

    def _read_audit(self, path: str, limit: int = 100) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.disk.read(path) or "").splitlines()[-limit:]]

    def _read_cancel(self, journal: str) -> dict[str, bool]:
        return {"stopped": False}

    def _read_site(self, dir: str) -> dict[str, Any]:  # noqa: A002
        disk = self.disk
        numbered = {n: disk.json(f"{dir}/numbered/{n}/release.json") for n in disk.names(f"{dir}/numbered")}
        configs = [int(n[1:-5]) for n in disk.names(f"{dir}/config") if n.startswith("v") and n.endswith(".json")]
        live = disk.json(f"{dir}/live/release.json")
        programs = disk.entries.get(f"{dir}/keeper/current", Entry()).target
        return {
            "site": disk.json(f"{dir}/site.json"),
            "live": live,
            "policy": disk.json(f"{dir}/live/policy.json"),
            "manifest": disk.json(f"{dir}/releases/{live['build']}/manifest.json") if live and "build" in live else None,
            "numbered": {n: r for n, r in numbered.items() if r and "number" in r},
            "config": disk.json(f"{dir}/config/v{max(configs)}.json") if configs else None,
            "builds": [n for n in disk.names(f"{dir}/releases") if not n.endswith(".partial")],
            "venvs": disk.names(f"{dir}/venvs"),
            "lock": disk.json(f"{dir}/lock.json"),
            "mark": "",
            "access": disk.json(f"{dir}/access.json"),
            "snapshots": disk.names(f"{dir}/snapshots"),
            "kept_since": disk.json(f"{dir}/kept-since.json"),
            "unfinished": disk.json(f"{dir}/unfinished.json"),
            "programs": posixpath.basename(programs),
            "maintenance": disk.exists(f"{dir}/shared/maintenance"),
            "maintenance_by": (disk.read(f"{dir}/shared/maintenance") or "").partition("\n")[0],
            "of_others": False,
            "now": time.time(),
        }

    # --- writes ----------------------------------------------------------------------------------------------

    def _carry_out(self, step: Mapping[str, Any]) -> None:
        if len(self.steps) == self.fail_at:
            raise HostError("the fake was told to fail here", where=self.name)
        for op in step["ops"]:
            self._perform(op)

    def _perform(self, op: Mapping[str, Any]) -> None:
        getattr(self, f"_write_{op['op']}")(**{k: v for k, v in op.items() if k != "op"})

    def _undo(self, steps: list[Mapping[str, Any]], journal: str) -> list[str]:
        undone = []
        for step in reversed(steps):
            for op in step.get("undo", ()):
                try:
                    self._perform(op)
                except HostError as error:
                    self._record(journal, step, "undo failed", error=error.what)
            if step.get("undo"):
                undone.append(step["text"])
                self._record(journal, step, "undone")
        return undone

    def _record(self, journal: str, step: Mapping[str, Any], state: str, **more: Any) -> None:
        line = {"at": "", "deploy": step.get("deploy", ""), "step": step["text"], "state": state, **more}
        self.disk.place(journal, Entry(((self.disk.read(journal) or "") + json.dumps(line) + "\n").encode()))

    def _write_mkdir(self, path: str, mode: int = 0o755, owner: str | None = None, group: str | None = None) -> None:
        self.disk.place(path, Entry(mode=mode, folder=True, owner=owner or "", group=group or ""))

    def _write_chown(
        self, path: str, owner: str | None = None, group: str | None = None, mode: int | None = None, recursive: bool = False
    ) -> None:
        exact = self.disk.resolve(path)
        for place, entry in list(self.disk.entries.items()):
            if place == exact or (recursive and place.startswith(exact + "/")):
                kept = entry.mode if mode is None or place != exact else mode
                self.disk.entries[place] = entry.of(owner, group, kept)

    def _write_assemble(self, store: str, to: str, entries: list[Any] | Mapping[str, str]) -> None:
        if isinstance(entries, Mapping):
            listed = self.disk.json(f"{store}/{entries['piece'][:2]}/{entries['piece']}")
            self._write_assemble(store, to, listed)
            return
        self.disk.place(to, Entry(mode=0o755, folder=True))
        for name, kind, what, mode in entries:
            if kind == "f" and f"{store}/{what[:2]}/{what}" not in self.disk.entries:
                raise CommandError(f"piece {what[:12]} is not in the store", where=self.name)
            content = self.disk.entries[f"{store}/{what[:2]}/{what}"].content if kind == "f" else b""
            self.disk.place(f"{to}/{name}", Entry(content, mode, target=what if kind == "l" else "", folder=kind == "d"))

    def _write_sweep(self, store: str, spare: float = 0) -> None:
        """Nothing: this disk has no hard links to count."""

    def _write_file(
        self,
        path: str,
        content: str,
        mode: int = 0o644,
        encoding: str = "utf-8",
        only: str | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> None:
        if only is not None and self.disk.read(path) != only:
            return
        data = base64.b64decode(content) if encoding == "base64" else content.encode()
        self.disk.place(path, Entry(data, mode, owner=owner or "", group=group or ""))

    def _write_symlink(self, path: str, target: str) -> None:
        self.disk.place(path, Entry(mode=0o777, target=target))

    def _write_remove(self, paths: list[str], only: str | None = None) -> None:
        for path in paths:
            if only is None or self.disk.read(path) == only:
                self.disk.remove(path)

    def _write_copy(self, path: str, to: str, owner: str | None = None, group: str | None = None) -> None:
        for name, entry in self.disk.under(path).items():
            self.disk.place(f"{to}/{name}", entry.of(owner, group, entry.mode))

    def _write_union(self, path: str, to: str) -> None:
        self._write_copy(path, to)

    def _write_prune(self, path: str, keep: list[str]) -> None:
        for name in self.disk.under(path):
            if not any(self.disk.under(tree).get(name) for tree in keep):
                self.disk.remove(f"{path}/{name}")

    def _write_run(self, argv: list[str], **how: Any) -> None:
        env, timeout = how.get("env") or {}, how.get("timeout", 600)
        command = Command(tuple(argv), env=env, cwd=how.get("cwd") or "", timeout=timeout, user=how.get("user", ""))
        result = self.run(command)
        if not result.ok:
            what = f"{posixpath.basename(argv[0])} ended with {result.status}"
            raise CommandError(what, where=self.name, detail=result.tail(12))
