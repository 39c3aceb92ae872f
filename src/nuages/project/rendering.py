"""`nuages inspect` for people: what was found, what was chosen, what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nuages.project.model import Choice, Files, Process, Project


LABEL = 14
SHOWN = 4


def report(project: Project) -> str:
    """About thirty aligned lines, without colour."""
    return "\n".join(line.rstrip() for line in lines(project))


def lines(project: Project) -> Iterator[str]:
    files, facts = project.files, project.probe.facts
    yield from rows(about(project))
    yield ""
    yield "processes"
    yield from (process_line(p) for p in project.processes)
    yield ""
    yield from rows(parts(files, facts))
    yield from section("chosen among several", (choice_line(c) for c in files.choices))
    yield from section(
        "on a first start, by hand",
        (f"  nuages manage {command}   # {why}" for command, why in files.bootstrap),
    )
    yield from section(
        "set these before others see the site",
        (f"  {m.name} is {m.example}: {m.give}" for m in project.missing),
    )
    yield from section("worth knowing", (f"  {note}" for note in knowing(project)))


def about(project: Project) -> Iterator[tuple[str, str]]:
    files, probe = project.files, project.probe
    yield "project", str(files.root)
    yield "django", f"{probe.django} on Python {probe.python}"
    yield (
        "settings",
        files.settings + (f"  (read with {', '.join(files.libraries)})" if files.libraries else ""),
    )
    yield (
        "entry",
        f"{files.asgi if project.interface == 'asgi' else files.wsgi}  ({project.interface.upper()})",
    )
    yield (
        "requirements",
        " ".join([files.requirements.kind, *(f for f in files.requirements.files if f != files.requirements.kind)]),
    )


def parts(files: Files, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    apps = facts.get("apps") or ()
    yield "apps", f"{len(apps)}, {(facts.get('migrations') or {}).get('modules', 0)} migrations"
    yield "database", ", ".join(database_words(a, d) for a, d in (facts.get("databases") or {}).items())
    yield "cache", ", ".join(f"{a}: {last(c['backend'])}" for a, c in (facts.get("caches") or {}).items())
    yield "sessions", last_module((facts.get("sessions") or {}).get("engine"))
    yield "static", static_words(facts.get("static") or {})
    yield "uploads", uploads_words(facts.get("media") or {})
    yield "front end", frontend_words(files.frontend)
    yield "tasks", ", ".join(facts.get("tasks") or {})
    yield "channels", ", ".join(last(b) for b in ((facts.get("channels") or {}).get("layers") or {}).values())
    yield "system", ", ".join(f"{packages} (for {name})" for name, packages in files.system_packages.items())


def rows(pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    return (f"{name:<{LABEL}}{text}" for name, text in pairs if text)


def section(title: str, content: Iterator[str]) -> Iterator[str]:
    shown = list(content)
    if shown:
        yield from ("", title, *shown)


def process_line(process: Process) -> str:
    line = f"  {process.name:<{LABEL - 2}}{process.command}"
    told = [process.source, process.note] if process.note else [process.source]
    return f"{line}\n  {'':<{LABEL - 2}}{', '.join(told)}"


def choice_line(choice: Choice) -> str:
    others = (
        f"; also there: {', '.join(choice.others[:SHOWN])}{' ...' if len(choice.others) > SHOWN else ''}" if choice.others else ""
    )
    override = f"\n  {'':<{LABEL - 2}}otherwise: {choice.override}" if choice.override else ""
    return f"  {choice.what}: {choice.chosen}, since {choice.why}{others}{override}"


def database_words(alias: str, database: Mapping[str, Any]) -> str:
    place = f" at {database['host']}" if database.get("host") else ""
    return f"{alias}: {database.get('vendor') or database.get('engine')}{place}"


def static_words(static: Mapping[str, Any]) -> str:
    counts = [n for n in (static.get("files") or {}).values() if isinstance(n, int)]
    return f"{sum(counts)} files, {last(static.get('storage'))}" if counts else ""


def uploads_words(media: Mapping[str, Any]) -> str:
    fields = media.get("fields") or ()
    return f"{len(fields)} file field{'' if len(fields) == 1 else 's'}, {last(media.get('storage_class'))}" if fields else ""


def frontend_words(frontend: Mapping[str, Any]) -> str:
    if not frontend:
        return ""
    state = {
        True: "needed: its output is not in the repository",
        False: "its output is in the repository",
        None: "whether it is needed can't be told",
    }
    return f"{frontend['command']} ({frontend['tool'] or 'npm'}), {state[frontend['needed']]}"


def knowing(project: Project) -> Iterator[str]:
    files, probe = project.files, project.probe
    if files.submodules:
        yield "git submodules are not checked out"
    if files.lfs:
        yield "some files are kept in Git LFS"
    if files.translations:
        yield f"{len(files.translations)} translations are not compiled"
    if probe.facts.get("channels") and probe.facts["channels"].get("in_memory"):
        yield "the channel layer is kept in memory: one web process only, until CHANNEL_LAYERS has a server"
    if probe.environ:
        yield f"{len(probe.environ)} environment variables are read"
    choices = tuple(f"{c.what}: " for c in files.choices)
    yield from (note for note in project.notes if not note.startswith(choices))


def last(path: str | None) -> str:
    return str(path or "").rpartition(".")[2]


def last_module(path: str | None) -> str:
    return last(path)
