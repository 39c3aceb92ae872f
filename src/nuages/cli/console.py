"""How progress, a plan, a step and an error look. Colours only on a terminal (click strips them elsewhere)."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from nuages.engine.model import Plan, Step
from nuages.errors import NuagesError, UsageError
from nuages.settings.model import Finding


SLOW = 0.95  # seconds; quicker steps need no figure
COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "magenta", "?": "cyan"}


class Terminal:
    """Tells a person. Long stages show one line that changes; each step stays once it is done."""

    def __init__(
        self, *, as_json: bool = False, verbose: bool = False, ask: bool = False, only_plan: bool = False, yes: bool = False
    ) -> None:
        self.as_json, self.verbose, self.ask, self.only_plan, self.yes = as_json, verbose, ask, only_plan, yes
        self.planned: dict[str, list[Step]] = {}  # as a step is told -> those that are told so, in their order
        self.gathered: dict[
            str, list[tuple[Step, float]]
        ] = {}  # by host: done, for one thing, and not told yet; with their seconds
        self.live = sys.stderr.isatty() and not as_json
        self.started = time.monotonic()
        self.spoken = False
        self.calm = ""  # what an empty plan means to this verb

    def progress(self, line: str) -> None:
        if self.as_json:
            return
        if self.live:
            width = shutil.get_terminal_size().columns - 4
            click.echo(f"\r\x1b[K  {click.style(line.strip()[:width], dim=True)}", nl=False, err=True)
            self.spoken = True
        elif self.verbose or not line.startswith(" "):
            click.echo(f"  {line}", err=True)

    def clear(self) -> None:
        if self.spoken:
            click.echo("\r\x1b[K", nl=False, err=True)
            self.spoken = False

    def note(self, line: str) -> None:
        self.clear()
        if not self.as_json:
            click.echo(click.style(f"  note: {line}", dim=True), err=True)

    def findings(self, findings: tuple[Finding, ...]) -> None:
        self.clear()
        warnings = [f.id for f in findings if f.severity == "warning" and not f.silenced]
        if warnings and not self.as_json:
            named = ", ".join(dict.fromkeys(warnings))
            click.echo(
                click.style(f"  check: {count(len(warnings), 'warning')}: {named} (nuages check tells more)", dim=True), err=True
            )

    def plan(self, plan: Plan) -> None:
        self.clear()
        if self.as_json:
            click.echo(json.dumps({"event": "plan", **plan_dict(plan)}))
        elif plan.empty:
            click.echo(self.calm or f"nothing to do: {plan.reason}")
        elif self.ask or self.only_plan:
            show_plan(plan, verbose=self.verbose)
        else:
            show_judgements(plan)
        self.expect(plan.steps)
        for note in plan.notes if not self.as_json else ():
            click.echo(click.style(f"  note: {note}", fg="yellow"))

    def expect(self, steps: Sequence[Step]) -> None:
        """These will be told of as they are done."""
        self.planned = {}
        for step in steps:
            self.planned.setdefault(str(step), []).append(step)

    def agreed(self, plan: Plan) -> bool:
        if plan.empty:
            return True
        protected = str(plan.facts.get("protected") or "")
        if protected and not self.yes:
            self.clear()
            if not self.ask and not self.as_json:
                show_plan(plan, verbose=self.verbose)
            permit(protected)
            return True
        return not self.ask or click.confirm("Apply it?", default=True)

    def step(self, event: dict[str, Any]) -> None:
        if self.as_json:
            click.echo(json.dumps(event))
        elif event["event"] == "begin":
            if self.live:
                self.progress(event["text"])
        elif event["event"] == "output":
            if self.verbose:
                self.clear()
                click.echo(click.style(f"    {event['line']}", dim=True), err=True)
            elif self.live and event["line"].strip():
                self.progress(event["line"])
        elif event["event"] == "done":
            self._done(event["text"], event["seconds"])
        else:
            self.clear()
            self._told(*self.gathered)
            click.echo(click.style(f"  x {event['text'][2:]}", fg="red"))

    def _done(self, text: str, seconds: float) -> None:
        """Of the many small steps that make a server ready, those for one thing are told in one line; what removes,
        risks or differs keeps a line of its own."""
        same = self.planned.get(text)
        step = same.pop(0) if same else Step(text[0], "", "")
        waiting = self.gathered.get(step.host)
        if waiting and waiting[0][0].part != step.part:
            self._told(step.host)
        if step.part and not self.verbose and (step.symbol == "+" or plain(step) in ("", step.part, "its files changed")):
            self.gathered.setdefault(step.host, []).append((step, seconds))
        else:
            self._tell(text, step.why if self.verbose else plain(step), seconds)
        if not any(self.planned.values()):
            self._told(*self.gathered)

    def _told(self, *hosts: str) -> None:
        for host in hosts:
            (first, took), *more = self.gathered.pop(host)
            if more:
                took += sum(seconds for _step, seconds in more)
                self._tell(f"{first.symbol} {host}  {first.part}", count(1 + len(more), "step"), took)
            else:
                self._tell(str(first), plain(first), took)

    def _tell(self, text: str, why: str, seconds: float) -> None:
        self.clear()
        said = "; ".join(filter(None, (why, f"{seconds:.1f} s" if seconds >= SLOW else "")))
        click.echo(f"  {step_line(text)}" + (click.style(f"  {said}", dim=True) if said else ""))

    def elapsed(self) -> str:
        return f"{time.monotonic() - self.started:.1f} s"


def permit(site: str) -> None:
    """A change of a protected environment is meant: its site's name is typed. Raises UsageError where it is not."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"{site} is protected, and nobody is here to ask; nothing was changed", hint="--yes says that it is meant"
        )
    if click.prompt(f"{site} is protected. Type its name to go on", default="", show_default=False) != site:
        raise UsageError("that is not its name; nothing was changed", where=site)


def step_line(text: str) -> str:
    return click.style(text[0], fg=COLOURS.get(text[0])) + text[1:]


def plain(step: Step) -> str:
    """Why, without the program that checks it."""
    return step.why.partition("; checked by ")[0]


def show_plan(plan: Plan, *, verbose: bool = False) -> None:
    """A reason that several steps in a row share is told once."""
    width = max((len(s.what) for s in plan.steps), default=0)
    width = min(width, 62)
    before = ""
    for step in plan.steps:
        why = step.why if verbose else plain(step)
        said = "" if why == before and not verbose else click.style(why, dim=True)
        click.echo(f"  {step_line(f'{step.symbol} {step.host}  {step.what:<{width}}')}  {said}".rstrip())
        before = why
    show_judgements(plan)
    click.echo()


def show_judgements(plan: Plan) -> None:
    """What the pending migrations mean, before any of them runs."""
    from nuages.migrations.explain import explain

    for judgement in plan.judgements:
        if judgement.pending:
            click.echo("\n".join(f"  {line}" for line in explain(judgement).splitlines()))


def plan_dict(plan: Plan) -> dict[str, Any]:
    return {"steps": [s.as_dict() for s in plan.steps], "reason": plan.reason, **plan.facts}


def show_error(error: NuagesError, *, as_json: bool = False) -> None:
    """One red line that says where and what, at most a few lines of detail, one grey that says what to do."""
    if as_json:
        click.echo(
            json.dumps(
                {
                    "event": "error",
                    "code": error.exit_code,
                    "error": error.what,
                    "where": error.where,
                    "hint": error.hint,
                    "detail": error.detail,
                }
            )
        )
        return
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(click.style(f"nuages: {error}", fg="red"), err=True)
    for line in error.detail.splitlines():
        click.echo(f"  {line}", err=True)
    if error.hint:
        click.echo(click.style(f"  hint: {error.hint}", dim=True), err=True)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = ()) -> str:
    """Columns as wide as what is in them."""
    everything = [header, *rows] if header else rows
    widths = [max(len(row[i]) for row in everything) for i in range(len(everything[0]))] if everything else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything]
    if header and lines:
        lines[0] = click.style(lines[0], dim=True)
    return "\n".join(lines)


def ago(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(0, seconds):.0f} s"
