"""What a notification says: a headline, a few lines, and the facts as pairs. Names only; no value of the configuration. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nuages.engine.facts import Facts
from nuages.engine.model import Plan
from nuages.settings.configuration import Configuration


COLOURS = {"start": "#888888", "success": "#2e7d32", "failure": "#c62828"}
MOST_NAMES = 12
MOST_TEXT = 300  # characters of an error


@dataclass(frozen=True)
class Message:
    """`kind`: start, success or failure."""

    kind: str
    headline: str
    lines: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """As mail has it."""
        told = [f"{name}: {value}" for name, value in self.fields if value]
        return "\n".join([self.headline, *(["", *self.lines] if self.lines else []), "", *told]) + "\n"

    def as_slack(self) -> dict[str, Any]:
        """The JSON that Slack's incoming webhooks take, and Mattermost's, Rocket.Chat's and Discord's (at .../slack)."""
        fields = [{"title": name, "value": escaped(value), "short": len(value) < 40} for name, value in self.fields if value]  # noqa: PLR2004
        body = escaped("\n".join(self.lines))
        attachment = {"color": COLOURS[self.kind], "fallback": escaped(self.headline), "text": body, "fields": fields}
        return {"text": escaped(self.headline), "attachments": [attachment]}


def escaped(text: str) -> str:
    """A commit's subject must not call a whole channel: `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def name_of(facts: Facts) -> str:
    return facts.site if facts.environment == "production" else f"{facts.site} ({facts.environment})"


def on_start(facts: Facts) -> Message:
    headline = f"{name_of(facts)}: {_what(facts)} begins, by {facts.who}"
    return Message("start", headline, (), _fields(facts))


def on_success(facts: Facts, commits: Sequence[str], plan: Plan, changes: Sequence[str], seconds: float) -> Message:
    migrations = [pending.label for judgement in plan.judgements for pending in judgement.pending]
    more = (("migrations", shortened(migrations)), ("configuration", shortened(changes)), ("took", f"{seconds:.1f} s"))
    headline = f"{name_of(facts)}: v{facts.number} is live at {facts.url}"
    return Message("success", headline, tuple(commits), (*_fields(facts), *more))


def on_failure(facts: Facts, said: str, hint: str, seconds: float) -> Message:
    """`said` is the error's one line, masked; its detail may hold what a program of the project's printed, and stays here."""
    lines = tuple(text[:MOST_TEXT] for text in (said, hint) if text)
    headline = f"{name_of(facts)}: {_what(facts)} failed"
    return Message("failure", headline, lines, (*_fields(facts), ("after", f"{seconds:.1f} s")))


def _what(facts: Facts) -> str:
    return f"{facts.what if facts.what != 'up' else 'deploy'} of v{facts.number}"


def _fields(facts: Facts) -> tuple[tuple[str, str], ...]:
    said = (facts.commit[:8], "+ changes" if facts.dirty else "", f"({facts.branch})" if facts.branch else "")
    commit = " ".join(filter(None, said)) if facts.commit else ""
    was = f"v{facts.previous}" if facts.previous else ""
    return (("commit", commit), ("why", facts.why), ("by", facts.who), ("before", was), ("hosts", ", ".join(facts.hosts)))


def shortened(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def changed_names(before: Mapping[str, Any] | None, after: Configuration) -> tuple[str, ...]:
    """Names of variables, files and processes that differ between two versions of the configuration."""
    old = before or {}
    found: list[str] = []
    for part in ("env", "files", "scale"):
        one, other = dict(old.get(part) or {}), dict(getattr(after, part))
        found += sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    if before and old.get("secret_key") != after.secret_key:
        found.append("the secret key")
    return tuple(found)


def samples(site: str, environment: str) -> tuple[Message, ...]:
    """One of each kind, for a trial."""
    name = site if environment == "production" else f"{site} ({environment})"
    told = (("this is", "a trial: nuages notify test"),)
    return (
        Message("start", f"{name}: deploy of v0 begins", (), told),
        Message("success", f"{name}: v0 is live", ("0a1b2c3 A commit that nobody made",), told),
        Message("failure", f"{name}: deploy of v0 failed", ("nothing has happened",), told),
    )
