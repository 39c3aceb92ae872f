"""The repository that is pushed from: its commits and remotes, and one commit laid out in a folder of its own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nuages.errors import ProjectError, UsageError
from nuages.hosts.command import Result, run
from nuages.hosts.transport import Transport


SCHEME = "nuages::"


@dataclass(frozen=True)
class Repository:
    """`top` is the root of its working tree."""

    here: Transport
    top: Path

    def git(self, *words: str, cwd: str = "") -> Result:
        return self.here.run(run("git", *words, cwd=cwd or str(self.top)))

    def commit(self, name: str) -> str:
        """The commit that a name means, or ""."""
        return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").stdout.strip()

    def contains(self, older: str, newer: str) -> bool:
        return self.git("merge-base", "--is-ancestor", older, newer).ok

    def branches(self, *names: str) -> tuple[str, ...]:
        """Those of them that are here."""
        listed = self.git("for-each-ref", "--format=%(refname)", *names).stdout.split()
        return tuple(name for name in names if name in listed)

    def remotes(self) -> dict[str, str]:
        """Name -> URL."""
        listed = self.git("config", "--get-regexp", r"^remote\..*\.url$").stdout.splitlines()
        pairs = (line.split(" ", 1) for line in listed if " " in line)
        return {key.removeprefix("remote.").removesuffix(".url"): url for key, url in pairs}

    @contextlib.contextmanager
    def checkout(self, commit: str) -> Iterator[Path]:
        """The files of one commit, as long as the block runs: nothing of the working tree is in it."""
        folder = Path(tempfile.mkdtemp(prefix="nuages-push-"))
        try:
            self.git("worktree", "prune")
            # Hooks of the user's own (post-checkout) are for their own working tree.
            made = self.git(
                "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--force", str(folder / "tree"), commit
            )
            if not made.ok:
                raise ProjectError("git could not lay the commit out", where=commit[:8], detail=made.tail())
            self._submodules(folder / "tree")
            yield folder / "tree"
        finally:
            self.git("worktree", "remove", "--force", "--force", str(folder / "tree"))
            shutil.rmtree(folder, ignore_errors=True)

    def _submodules(self, tree: Path) -> None:
        if not (tree / ".gitmodules").is_file():
            return
        made = self.git("submodule", "update", "--init", "--recursive", "--quiet", cwd=str(tree))
        if not made.ok:
            raise ProjectError("the submodules of the commit could not be fetched", where=".gitmodules", detail=made.tail())


def repository_of(folder: Path, here: Transport) -> Repository:
    """The repository that a folder lies in. Raises UsageError."""
    found = here.run(run("git", "rev-parse", "--show-toplevel", cwd=str(folder)))
    if not found.ok:
        what = "is in no git repository" if "not a git" in found.stderr else found.tail(1)
        raise UsageError(what, where=str(folder), hint="git init -b main && git add . && git commit -m Begin")
    return Repository(here, Path(found.stdout.strip()))


def url_of(repository: Repository, root: Path, environment: str) -> str:
    """Of the remote that stands for an environment: `nuages::production`, with the project's folder where that is not the
    top of the repository."""
    below = root.resolve().relative_to(repository.top.resolve()).as_posix()
    return SCHEME + environment + ("" if below == "." else f"/{below}")


def add_remote(repository: Repository, root: Path, environment: str, name: str) -> bool:
    """Make the remote; False where it is there already. Raises UsageError where that name leads elsewhere."""
    url, known = url_of(repository, root, environment), repository.remotes()
    if known.get(name) == url:
        return False
    if name in known:
        raise UsageError(
            f"a git remote called {name} leads to {known[name]}",
            where=str(repository.top),
            hint=f"git remote rename {name} another-name, or take another: nuages git:remote -r NAME",
        )
    made = repository.git("remote", "add", name, url)
    if not made.ok:
        raise UsageError(f"git could not add the remote: {made.tail(1)}", where=str(repository.top))
    return True
