"""Which processes the site consists of: the Procfile's word first, then what the probe saw."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuages.project.model import Files, Process
from nuages.project.reading_entry import entry_in
from nuages.topology.model import Topology


SERVERS = (
    "gunicorn",
    "uvicorn",
    "daphne",
    "hypercorn",
    "waitress-serve",
    "waitress",
    "uwsgi",
    "granian",
    "mod_wsgi-express",
    "runserver",
)
ASYNC = ("uvicorn", "daphne", "hypercorn")


def detect_processes(files: Files, topology: Topology, facts: Mapping[str, Any], interface: str) -> tuple[Process, ...]:
    given = [translated(p, files, interface) for p in files.processes]
    names = {p.name for p in given}
    emptied = {name for name, command in topology.processes.items() if not command.strip()}
    if "web" not in names and "web" not in emptied:
        entry = files.asgi if interface == "asgi" else files.wsgi
        given.insert(
            0,
            Process("web", "web", entry, "detected", f"served by the embedded stack over {interface.upper()}"),
        )
    background = [p for p in detected(files, facts) if p.name not in names | emptied]
    # A Procfile that starts any worker is believed to start them all.
    if any(p.kind in ("worker", "scheduler") for p in given):
        background = []
    return (*given, *background)


def translated(process: Process, files: Files, interface: str) -> Process:
    """A `web:` line that names a server we stand in for is told as such; others are honoured with $PORT."""
    if process.kind == "release" and all(OURS.match(part) for part in process.command.split("&&")):
        return replace(process, note="left out: each deploy does this itself")
    if process.kind != "web":
        return process
    server, command = server_in(unwrapped(process.command, files.root))
    if not server:
        return replace(process, note="honoured as it is, with $PORT; static files are its own business", own_server=True)
    details = ", ".join(f"{k} {v}" for k, v in server_options(command).items())
    entry = entry_in(command) or (files.asgi if interface == "asgi" else files.wsgi)
    note = f"{server} is translated to the embedded server over {interface.upper()}: {entry}" + (
        f" ({details})" if details else ""
    )
    return replace(process, note=note)


# What a release does anyway; Procfiles for small hosts put it before the server.
OURS = re.compile(r"^\s*(python3?\s+)?(\./)?([\w-]+/)*manage\.py\s+(migrate|collectstatic|check)\b[\w\s=.-]*$")


def server_in(command: str) -> tuple[str, str]:
    """(server, its part of the line); ("", "") for a line that does more than we can stand in for."""
    parts = [part for part in command.split("&&") if not OURS.match(part)]
    if len(parts) != 1 or re.search(r"\|\||;|\||`|\$\(|(?<!&)&(?!&)\s*\S", parts[0]):
        return "", ""
    try:
        words = shlex.split(parts[0])
    except ValueError:
        return "", ""
    if any(word.endswith(".sh") for word in words):
        return "", ""
    found = next((name for word in words if (name := word.rpartition("/")[2]) in SERVERS), "")
    return found, parts[0] if found else ""


SILENT = re.compile(r"^\s*(#|set\s+[-+]|echo\s|$)")


def unwrapped(command: str, root: Path) -> str:
    """What `bash start.sh` runs, as one line; the command itself where it is anything else."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    words = words[1:] if words[:1] and words[0].rpartition("/")[2] in ("bash", "sh") else words
    if len(words) != 1 or not words[0].endswith(".sh"):
        return command
    try:
        text = (root / words[0]).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return command
    lines = text.replace("\\\n", " ").splitlines()
    said = [line.strip().removeprefix("exec ") for line in lines if not SILENT.match(line)]
    return " && ".join(said) or command


OPTIONS = {
    "workers": r"(?:--workers|-w|--processes)[= ]\s*(\d+)",
    "threads": r"--threads[= ]\s*(\d+)",
    "timeout": r"(?:--timeout|-t)[= ]\s*(\d+)",
}


def server_options(command: str) -> dict[str, int]:
    return {name: int(found.group(1)) for name, pattern in OPTIONS.items() if (found := re.search(pattern, command))}


def choose_interface(files: Files, topology: Topology, facts: Mapping[str, Any]) -> str:
    """WSGI unless the project needs ASGI: under ASGI a synchronous page costs twice."""
    if topology.interface:
        return topology.interface
    if not files.asgi:
        return "wsgi"
    web = next((p.command for p in files.processes if p.kind == "web"), "")
    web = unwrapped(web, files.root)
    runs_async = server_in(web)[0] in ASYNC or "UvicornWorker" in web or "uvicorn_worker" in web
    channels = facts.get("channels") or {}
    if not files.wsgi or runs_async or channels.get("websocket") or channels.get("asgi"):
        return "asgi"
    return "wsgi"


def detected(files: Files, facts: Mapping[str, Any]) -> Iterator[Process]:
    tasks = facts.get("tasks") or {}
    for name, build in BUILDERS.items():
        if isinstance(tasks.get(name), Mapping) and "error" not in tasks[name]:
            yield from build(tasks[name])


def celery(found: Mapping[str, Any]) -> Iterator[Process]:
    if found.get("always_eager"):
        return
    app = shlex.quote(
        found["app"]
        if found["app"].rpartition(".")[2] in ("celery", "celery_app", "celeryapp") or "." not in found["app"]
        else f"{found['app']}:{found['attribute']}"
    )
    queues = f" -Q {shlex.quote(','.join(found['queues']))}" if found.get("queues") else ""
    yield Process("worker", "worker", f"celery -A {app} worker --loglevel=INFO{queues}", "detected: a Celery app")
    if found.get("beat"):
        scheduler = f" --scheduler {found['scheduler']}" if found.get("scheduler") else ""
        yield Process(
            "beat",
            "scheduler",
            f"celery -A {app} beat --loglevel=INFO{scheduler}",
            "detected: a Celery beat schedule",
        )


def django_q(found: Mapping[str, Any]) -> Iterator[Process]:
    yield Process("worker", "worker", "python manage.py qcluster", "detected: django_q in INSTALLED_APPS")


def huey(found: Mapping[str, Any]) -> Iterator[Process]:
    if not found.get("immediate"):
        yield Process("worker", "worker", "python manage.py run_huey", "detected: huey.contrib.djhuey in INSTALLED_APPS")


def rq(found: Mapping[str, Any]) -> Iterator[Process]:
    if not found.get("async", True):
        return
    scheduler = " --with-scheduler" if found.get("scheduler") else ""
    queues = " ".join(shlex.quote(queue) for queue in found.get("queues") or ("default",))
    yield Process(
        "worker",
        "worker",
        f"python manage.py rqworker {queues}{scheduler}",
        "detected: django_rq in INSTALLED_APPS",
    )


def dramatiq(found: Mapping[str, Any]) -> Iterator[Process]:
    if "Stub" not in str(found.get("broker")):
        yield Process("worker", "worker", "python manage.py rundramatiq", "detected: django_dramatiq in INSTALLED_APPS")


def django_tasks(found: Mapping[str, Any]) -> Iterator[Process]:
    for command in found.get("commands") or ():
        name = "worker" if command == "db_worker" else command
        yield Process(name, "worker", f"python manage.py {command}", "detected: a backend in TASKS")


def procrastinate(found: Mapping[str, Any]) -> Iterator[Process]:
    yield Process(
        "worker",
        "worker",
        "python manage.py procrastinate worker",
        "detected: procrastinate in INSTALLED_APPS",
    )


def background_task(found: Mapping[str, Any]) -> Iterator[Process]:
    yield Process("worker", "worker", "python manage.py process_tasks", "detected: background_task in INSTALLED_APPS")


BUILDERS = {"celery": celery, "django_q": django_q, "huey": huey, "rq": rq, "dramatiq": dramatiq, "django_tasks": django_tasks, "procrastinate": procrastinate, "background_task": background_task}  # fmt: skip
