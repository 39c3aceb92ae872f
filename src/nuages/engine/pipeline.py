"""What stands around a deploy: the user's hooks, notifications, and the way back.

before_build  tests  audit  build  before_migrate  migrations  start, smoke  switch  smoke_live  after_switch
                                                                                     fails: the way back; on_failure
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nuages.engine import hooks
from nuages.engine.facts import Facts, commits_between, facts_of, masked
from nuages.engine.inspecting import Work
from nuages.engine.model import Plan, Step
from nuages.engine.request import Console, Request
from nuages.errors import LockHeldError, NuagesError, PipelineError, UnconfirmedError, UsageError
from nuages.settings.configuration import load_configuration, rolled_back


if TYPE_CHECKING:
    from nuages.engine.notify import Courier
    from nuages.engine.notify_text import Message


PATIENCE = 120  # seconds that the way back waits for somebody who took the lock in between


@contextlib.contextmanager
def pipeline(request: Request, console: Console) -> Iterator[Line]:
    """The line that one deploy runs along. A failure is told to whom it concerns, and goes on its way."""
    line = Line(request, console)
    try:
        yield line
    except KeyboardInterrupt:
        if line.carried_out:
            line.fails(NuagesError("stopped by hand"))
        raise
    except (LockHeldError, UsageError):  # nothing was tried
        raise
    except Exception as error:
        line.fails(
            error if isinstance(error, NuagesError) else NuagesError(f"{type(error).__name__}, which is a fault of Nuages")
        )
        raise
    finally:
        if line.courier:
            line.courier.wait()


@dataclass
class Line:
    """One deploy, as its hooks and notifications see it. `quiet`: the way back, of which the failure itself tells."""

    request: Request
    console: Console
    quiet: bool = False
    work: Work | None = None
    facts: Facts | None = None  # None where nobody wants to know
    courier: Courier | None = None
    carried_out: bool = False
    started: float = field(default_factory=time.monotonic)

    def begins(self, work: Work) -> None:
        """First contact has been made. The hooks before_build run here, once: what they write belongs to the build."""
        again, self.work = self.work is not None, work
        if self.request.only_plan or not _anybody(work):
            return
        self.facts = facts_of(self.request, work)
        if work.topology.notify.on and not self.quiet:
            from nuages.engine.notify import Courier

            self.courier = Courier(work.topology, work.config, self.console.note)
        if self.request.source == "project" and not again:
            for line in work.topology.hooks.before_build:
                self.hook(hooks.step_of("before_build", line, "localhost"))

    def planned(self, plan: Plan) -> Plan:
        """With the hooks that it will come to. `nuages plan` shows them too."""
        return hooks.with_hooks(plan, self.work.topology) if self.work else plan

    def starts(self) -> None:
        self.carried_out = True
        if self.facts and self.courier and {"start", self.facts.occasion} <= {*self.courier.topology.notify.on}:
            from nuages.engine.notify_text import on_start

            self.courier.send(on_start(self.facts), mail=bool(self.facts.previous))

    def ends(self, plan: Plan) -> None:
        """Carried out. Where no new release came of it, nobody is told."""
        new = not plan.first and plan.facts.get("release") != plan.facts.get("live")
        if new and self.work and self.facts and self.courier and self.facts.occasion in self.courier.topology.notify.on:
            self.courier.send(_success(plan, self.request, self.facts, self.work, time.monotonic() - self.started))

    def fails(self, error: NuagesError) -> None:
        if self.work is None or self.facts is None:
            return
        said = masked(" ".join(str(error).split()), self.work.config)
        if self.courier and "failure" in self.work.topology.notify.on and self.facts.occasion:
            from nuages.engine.notify_text import on_failure

            hint = masked(error.hint, self.work.config)
            self.courier.send(on_failure(self.facts, said, hint, time.monotonic() - self.started))
        for line in self.work.topology.hooks.on_failure:
            self.hook(hooks.step_of("on_failure", line, "localhost"), said)

    def hook(self, step: Step, error: str = "") -> None:
        """Raises PipelineError where it fails, but for one after the switch: then it is told, loudly, and that is all."""
        if self.work is None or self.facts is None:
            return
        try:
            hooks.carry_out(step, self.facts, self.work.topology, self.work.here, self.console.step, error)
        except PipelineError as failed:
            if step.ops[0]["hook"] not in hooks.HARMLESS:
                raise
            detail = "".join(f"\n    {line}" for line in failed.detail.splitlines())
            self.console.note(f"{failed}{f' ({failed.hint})' if failed.hint else ''}{detail}")

    @contextlib.contextmanager
    def way_back(self, error: UnconfirmedError) -> Iterator[Line]:
        """The new release has the traffic and does not answer as it should: a rollback, along a quiet line. Says in the
        error what came of it."""
        live = self.work.live if self.work else None
        if live is None or not live.release:
            error.hint = "nothing was live before it, so that it goes on serving"
            raise error
        before, number = load_configuration(live.config), live.number
        back = replace(
            self.request, source="release", number=number, what="rollback", agreed=True, check=True,
            why=f"v{number + 1} did not answer as it should", change=lambda newest: rolled_back(before, newest),
            wait=max(self.request.wait, PATIENCE),
        )  # fmt: skip
        self.console.note(f"{error}; going back to v{number}")
        try:
            yield Line(back, self.console, quiet=True)
        except NuagesError as worse:
            error.hint = f"v{number + 1} still serves, for v{number} could not be brought back: {worse}"
            raise error from worse
        error.hint = f"v{number} is live again, as v{number + 2}; the database keeps the migrations that have run"


def _success(plan: Plan, request: Request, facts: Facts, work: Work, seconds: float) -> Message:
    from nuages.engine.notify_text import changed_names, on_success

    after = request.change(load_configuration(work.live.config))  # what the user set, without what services export
    changes = changed_names(work.live.config, after) if work.live.release else ()
    return on_success(facts, commits_between(work.here, work.topology, facts), plan, changes, seconds)


def _anybody(work: Work) -> bool:
    """Are there hooks, or people to tell?"""
    declared, notify = work.topology.hooks, work.topology.notify
    lists = (declared.before_build, declared.before_migrate, declared.after_switch, declared.on_failure)
    return any((*lists, notify.webhook, notify.mail))
