"""gitremote-helpers(7): lines in, lines out. git asks for the refs of the far side, and then to push or to fetch some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nuages.errors import UsageError


CAPABILITIES = ("push", "fetch", "option")
# git dies where a helper does not take these; what they ask for is so anyway, or is honoured below.
TAKEN = ("progress", "dry-run", "atomic", "followtags", "force")
PUSH_OPTIONS = ("message", "wait-lock", "no-check", "skip", "yes")


@dataclass(frozen=True)
class Wish:
    """One `source:target` of a push; `source` is "" to delete. `force`: written with a plus, or with --force."""

    source: str
    target: str
    force: bool = False


@dataclass
class Options:
    """What git was told on its command line."""

    verbosity: int = 1
    dry_run: bool = False
    force: bool = False
    push: dict[str, str] = field(default_factory=dict)  # -o NAME=VALUE

    def take(self, name: str, value: str) -> str:
        """ "ok" or "unsupported". Raises UsageError for an option of ours that is not."""
        if name == "verbosity":
            self.verbosity = int(value)
        elif name == "push-option":
            word, _, told = value.strip('"').partition("=")
            if word not in PUSH_OPTIONS:
                raise UsageError(f"-o {word}: there is no such option", hint="there are: " + ", ".join(PUSH_OPTIONS))
            self.push[word] = told
        elif name in TAKEN:
            self.dry_run = self.dry_run or (name == "dry-run" and value == "true")
            self.force = self.force or (name == "force" and value == "true")
        else:
            return "unsupported"
        return "ok"


class Remote(Protocol):
    """Who answers for the site."""

    def refs(self, *, for_push: bool) -> Mapping[str, str]:
        """Ref -> commit, as the far side has them."""

    def push(self, wishes: Sequence[Wish], options: Options) -> Iterable[tuple[str, str]]:
        """For each target, "" or why it was refused."""

    def fetch(self, commits: Sequence[str]) -> None:
        """git lacks these objects. Raises, for nobody has them here."""


def serve(lines: Iterable[str], say: Callable[[str], None], remote: Remote) -> None:
    """Answer until git has no more to ask."""
    options, words = Options(), iter(line.rstrip("\n") for line in lines)
    for line in words:
        word, _, rest = line.partition(" ")
        if word == "capabilities":
            _say_all(say, CAPABILITIES)
        elif word == "option":
            say(options.take(*rest.split(" ", 1)))
        elif word == "list":
            _say_all(say, _listed(remote.refs(for_push=rest == "for-push")))
        elif word == "push":
            wishes = [_wish(told, options) for told in _batch(rest, words)]
            _say_all(say, (_outcome(target, why) for target, why in remote.push(wishes, options)))
        elif word == "fetch":
            remote.fetch([told.split(" ")[0] for told in _batch(rest, words)])
            say("")
        elif not line:
            return


def _say_all(say: Callable[[str], None], lines: Iterable[str]) -> None:
    for line in lines:
        say(line)
    say("")


def _listed(refs: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{commit} {ref}" for ref, commit in refs.items())
    if refs:
        yield f"@{next(iter(refs))} HEAD"


def _batch(first: str, words: Iterator[str]) -> list[str]:
    """Pushes and fetches come in a row that an empty line ends."""
    found = [first]
    for line in words:
        if not line:
            break
        found.append(line.partition(" ")[2])
    return found


def _wish(told: str, options: Options) -> Wish:
    source, _, target = told.removeprefix("+").partition(":")
    return Wish(source, target, force=told.startswith("+") or options.force)


def _outcome(target: str, why: str) -> str:
    return f"error {target} {' '.join(why.split())}" if why else f"ok {target}"
