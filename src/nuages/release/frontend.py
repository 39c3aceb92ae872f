"""The front-end build that static files need: the commands declared in nuages.toml, else the project's own script."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from nuages.errors import ReleaseError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport
from nuages.project.model import Project


LONGEST = 1800  # seconds for one command


def build_front_end(
    source: Path, project: Project, declared: tuple[str, ...], environ: Mapping[str, str], here: Transport, progress: Progress
) -> None:
    """Run in the release's copy of the source. Raises ReleaseError where a tool is missing or a command fails."""
    found = project.files.frontend
    if not declared and not found.get("needed"):
        return
    folder = source if declared else source / str(found["dir"])
    if not declared and shutil.which(str(found["manager"])) is None:
        what = f"static files need `{found['command']}`, and {found['manager']} is not on this machine"
        hint = 'install Node.js (apt-get install npm), commit what it builds, or say how to build: build = ["..."] under [project] in nuages.toml'
        raise ReleaseError(what, where=str(Path(str(found["dir"])) / "package.json"), hint=hint)
    for line in declared or (str(found["install"]), str(found["command"])):
        progress(f"front end: {line}")
        command = Command(("/bin/sh", "-c", line), cwd=str(folder), env={**environ, "CI": "true"}, timeout=LONGEST)
        result = here.run(command, progress)
        if not result.ok:
            raise ReleaseError(f"the front-end build failed: {line}", where=str(found.get("dir") or "."), detail=result.tail(8))


def forget_packages(source: Path, project: Project) -> None:
    """What only the build needed; static files have been collected."""
    if project.files.frontend.get("needed"):
        shutil.rmtree(source / str(project.files.frontend["dir"]) / "node_modules", ignore_errors=True)
