"""Read a Django project's files: text and syntax trees only, nothing is imported and nothing is run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nuages.environments import find_requirements, python_hints
from nuages.errors import TopologyError
from nuages.project import reading_entry as entry
from nuages.project.model import Files, Process
from nuages.project.procfile import Procfile, kind_of, parse_procfile
from nuages.project.reading_extras import read_extras
from nuages.project.reading_settings import choose_settings, search_path
from nuages.project.reading_variants import production_variant
from nuages.project.tree import Tree
from nuages.topology.model import Topology


def read_files(root: Path, topology: Topology, listing: Iterable[str] | None = None) -> Files:
    """What the files say. `listing` are the paths that a release would hold; without it the folder is walked.

    Raises ProjectError when there is no manage.py or no settings module.
    """
    tree = Tree(root, listing)
    manage, choices = entry.find_manage(tree, topology.manage)
    settings = choose_settings(tree, manage, topology.settings)
    procfile = read_procfile(tree)
    processes = with_declared(procfile.processes, topology)
    bases = search_path(tree, manage)
    named = tuple(filter(None, (entry.entry_in(p.command) for p in processes if p.kind == "web")))
    wsgi, wsgi_choices = entry.find_entry("wsgi", tree, bases, settings.sources, declared=topology.wsgi, named=named)
    asgi, asgi_choices = entry.find_entry("asgi", tree, bases, settings.sources, declared=topology.asgi, named=named)
    selectors, variant_choices = production_variant(tree, settings, manage)
    extras = read_extras(tree, manage, settings, processes)
    extras["writable"] = tuple(dict.fromkeys([*declared_writable(topology), *extras["writable"]]))
    return Files(
        root=root,
        manage=manage,
        settings=settings.module,
        settings_candidates=settings.candidates,
        wsgi=wsgi,
        asgi=asgi,
        requirements=find_requirements(root, topology),
        python_hints=python_hints(root),
        processes=processes,
        choices=(*choices, *settings.choices, *variant_choices, *wsgi_choices, *asgi_choices),
        libraries=tuple(sorted({name for source in settings.sources for name in source.libraries})),
        secret_names=tuple(dict.fromkeys(name for source in settings.sources for name in source.secret_names)),
        selectors=selectors,
        problems=procfile.errors,
        **extras,
    )


def declared_writable(topology: Topology) -> list[str]:
    """Of nuages.toml; a path that leads out of the project would have a release write beside itself."""
    paths = [os.path.normpath(path) for path in topology.writable]
    for path in paths:
        if os.path.isabs(path) or path.split("/")[0] in ("..", "."):
            what = f"{path!r} is not a folder of the project"
            raise TopologyError(what, where="project.writable", hint='write a path below the project: "search-index"')
    return paths


def read_procfile(tree: Tree) -> Procfile:
    paths = [p for p in ("Procfile", "Procfile.prod", "Procfile.production") if tree.has(p)]
    return parse_procfile(tree.text(paths[0]), paths[0]) if paths else Procfile((), ())


def with_declared(found: tuple[Process, ...], topology: Topology) -> tuple[Process, ...]:
    """The Procfile's, with those of nuages.toml over them; an empty command takes a process away."""
    processes = {p.name: p for p in found}
    for name, command in topology.processes.items():
        processes.pop(name, None)
        if command.strip():
            processes[name] = Process(name, kind_of(name, command), command, "nuages.toml")
    return tuple(processes.values())
