"""What a push means: the one branch that is deployed, whether it may be, and the commit that goes live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nuages.errors import UsageError
from nuages.gitremote.protocol import Options, Wish
from nuages.gitremote.repository import Repository


DEPLOYED = ("refs/heads/main", "refs/heads/master")
# git knows these answers, and prints its advice about them.
NOT_ON_TOP, UNKNOWN = "non-fast forward", "fetch first"


@dataclass(frozen=True)
class Live:
    """`dirty`: what serves is that commit with changes that nobody committed."""

    commit: str
    dirty: bool = False


@dataclass(frozen=True)
class SiteRemote:
    """The site as a git remote. `deploy` brings a checkout live and returns "" or, in a few words, why not."""

    repository: Repository
    live: Callable[[], Live]
    deploy: Callable[[Path, Options], str]

    def refs(self, *, for_push: bool) -> Mapping[str, str]:
        """What is live, under the names that the repository uses for it. Changes that nobody committed are no commit:
        a push of the same one brings it live."""
        live = self.live()
        if not live.commit or (live.dirty and for_push):
            return {}
        names = self.repository.branches(*DEPLOYED) or DEPLOYED[:1]
        return dict.fromkeys(names, live.commit)

    def push(self, wishes: Sequence[Wish], options: Options) -> Iterator[tuple[str, str]]:
        done = ""
        for wish in wishes:
            commit = self.repository.commit(wish.source) if wish.source else ""
            why = self._unfit(wish, commit)
            if not why and done and commit != done:
                why = "one push deploys one commit"
            if not why and not options.dry_run and commit != done:
                why = self._deploy(commit, options)
                done = commit if not why else done
            yield wish.target, why

    def _unfit(self, wish: Wish, commit: str) -> str:
        if wish.target not in DEPLOYED:
            name = wish.target.removeprefix("refs/heads/").removeprefix("refs/tags/")
            return f"only main (or master) is deployed: git push REMOTE {name}:main"
        if not wish.source:
            return "what is live can't be deleted; nuages destroy removes the site"
        if not commit:
            return f"there is no commit {wish.source}"
        live = self.live().commit
        if not live or wish.force or self.repository.contains(live, commit):
            return ""
        return NOT_ON_TOP if self.repository.commit(live) else UNKNOWN

    def _deploy(self, commit: str, options: Options) -> str:
        with self.repository.checkout(commit) as tree:
            return self.deploy(tree, options)

    def fetch(self, commits: Sequence[str]) -> None:
        raise UsageError(
            f"the live commit {commits[0][:8]} is not in this repository, and servers keep no history",
            hint="fetch it from where your team pushes: git fetch origin",
        )
