"""Ask the project itself: run the probe in a scratch copy until it imports, or until all that is missing is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuages.environments.model import Environment
from nuages.hosts.transport import Progress, Transport
from nuages.project.asking import FILE_NAMES, Asking, ask_until_known
from nuages.project.missing import offered
from nuages.project.model import Files, Missing, Probe, Project
from nuages.project.processes import choose_interface, detect_processes
from nuages.project.scratch import Scratch, make_scratch, manage_dir, snapshot, write_policy
from nuages.project.tree import Tree, parent
from nuages.secret import Secret
from nuages.topology.model import Topology


PolicyFor = Callable[[Path], Mapping[str, Any]]


def inspect_project(
    files: Files,
    environment: Environment,
    topology: Topology,
    here: Transport,
    config_env: Mapping[str, str | Secret],
    scratch: Path,
    runtime: Path,
    policy_for: PolicyFor,
    progress: Progress,
    *,
    sources: Iterable[str] | None = None,
    config_files: Mapping[str, str] | None = None,
) -> Project:
    """The whole finding, production settings laid over.

    `policy_for(source)` gives the policy for a project that lies in `source`; its phase and the places where the site
    writes are replaced by those of the scratch copy. `sources` are the paths that the release will hold.
    Raises MissingError (everything that is missing, at once) or ProjectError (it does not import).
    """
    paths = list(sources) if sources is not None else list(Tree(files.root).paths)
    place = make_scratch(files.root, paths, scratch, runtime, config_files or {})
    policy = policy_for(place.source)
    write_policy(place, probe_policy(place, policy, files))
    before = snapshot(place.source)
    asked = Asking(files, environment, here, place, dict(config_env), real_places(place, policy, files))
    answer = ask_until_known(asked, progress)
    written = tuple(sorted(set(snapshot(place.source).items()) - set(before.items())))
    return finding(topology, answer, tuple(dict.fromkeys(path for path, _ in written)), asked)


def probe_policy(place: Scratch, policy: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """What the probe may write stays in scratch: settings that open a database at import must not make the site's."""
    ours = {"phase": "probe", "project": str(place.source), "manage_dir": str(manage_dir(place, files))}
    ours |= {"static_root": str(place.root / "static"), "static_serve": str(place.root / "static")}
    ours |= {"media_root": str(place.root / "media"), "data_dir": str(place.root / "data")}
    return {"version": 1, "settings_module": files.settings, "overrides": {}, "leave": [], **policy, **ours}


def real_places(place: Scratch, policy: Mapping[str, Any], files: Files) -> dict[str, str]:
    names = {"static": "static_root", "media": "media_root", "data": "data_dir"}
    found = {str(place.root / name): str(policy[key]) for name, key in names.items() if policy.get(key)}
    return {**found, str(place.source): str(files.root)}


def finding(topology: Topology, answer: Mapping[str, Any], written: tuple[str, ...], asked: Asking) -> Project:
    read = {entry["name"] for entry in answer["environ"]}
    files = replace(asked.files, writable=state_folders(asked.files, written, asked))
    feeding = (*files.secret_names, *asked.generated)
    generated = [name for name in dict.fromkeys(feeding) if name in read and not name.endswith(FILE_NAMES)]
    facts = {
        **answer["facts"],
        "generated_names": {"SECRET_KEY": generated},
        "problems": answer.get("problems", []),
    }
    probe = Probe(
        django=answer["django"],
        python=answer["python"],
        settings_module=answer["settings_module"],
        changes=tuple(answer["changes"]),
        readback=tuple(answer["readback"]),
        facts=facts,
        environ=tuple(answer["environ"]),
        files_written=written,
        checks=tuple(answer["checks"]),
        audit=tuple(answer["audit"]),
    )
    interface = choose_interface(files, topology, facts)
    missing: tuple[Missing, ...] = offered(files, probe)
    return Project(
        files,
        asked.environment,
        probe,
        detect_processes(files, topology, facts, interface),
        interface,
        missing,
        notes(files, probe),
    )


def state_folders(files: Files, written: tuple[str, ...], asked: Asking) -> tuple[str, ...]:
    """Where the project writes under its own folder: what it made while it was imported, and folders it asked for."""
    made = [str(path.relative_to(files.root)) for path in asked.made]
    new = [parent(path) for path in written if "/" in path and not (files.root / parent(path)).is_dir()]
    return tuple(dict.fromkeys([*files.writable, *made, *new]))


def notes(files: Files, probe: Probe) -> tuple[str, ...]:
    found = [f"{c.what}: {c.chosen} ({c.why})" for c in files.choices]
    major = tuple(int(part) for part in probe.django.split(".")[:2] if part.isdigit())
    if major < (4, 2):
        found.append(f"Django {probe.django} is older than 4.2, the first that is supported in full")
    if probe.files_written:
        found.append("importing the settings writes files: " + ", ".join(probe.files_written[:5]))
    found += list(files.problems)
    return tuple(found)
