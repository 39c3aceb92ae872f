"""READ FIRST. The whole of Nuages: what every verb does, or the part of it that the verb needs.

Every line takes values from the lines above it and returns a frozen one; nothing calls back up. The plan is whole
before the first write, and apply decides nothing. `plan` leaves before apply, `check` after the audit; `rollback`,
`start`, `config` and `scale` bring an older or the live build in place of one made from the project. On this machine
and on servers it is the same path: `reach` says where, and components differ.
"""

from __future__ import annotations

from dataclasses import replace

from nuages.engine.apply import apply
from nuages.engine.compose import compose_all
from nuages.engine.inspecting import work_on
from nuages.engine.judge import judge_migrations
from nuages.engine.lock import lock_and_read
from nuages.engine.model import Plan
from nuages.engine.observe import asked_again, is_as_before, seats, seats_again
from nuages.engine.pipeline import Line, pipeline
from nuages.engine.plan import make_plans
from nuages.engine.prepare import prepare
from nuages.engine.readying import given_certificates, look_around, refuse_occupied, settle_topology
from nuages.engine.request import Console, Request
from nuages.engine.resting import at_rest
from nuages.engine.rollout import roll_out
from nuages.engine.shipping import ship
from nuages.errors import UnconfirmedError
from nuages.hosts import reach
from nuages.release.layout import site_layout
from nuages.settings.configuration import load_configuration
from nuages.topology import load_topology


def deploy(request: Request, console: Console) -> Plan:
    """Bring a site to what its project, topology and configuration say. Returns the plan that was (or would be) applied.

    Raises a NuagesError of the stage that failed; what was live still serves.
    """
    with pipeline(request, console) as line:
        try:
            plan = go(request, console, line)
            if plan.first and not request.only_plan:  # an authority has answered meanwhile: https or not, the site goes live
                plan = go(replace(request, asked=True), console, line)
        except UnconfirmedError as error:  # it has the traffic, and does not answer as it should
            with line.way_back(error) as back:
                go(back.request, console, back)
            raise
    return plan


def go(request: Request, console: Console, line: Line) -> Plan:
    declared = request.adjust(load_topology(request.root, request.environment, tree=request.tree))
    with reach(declared, accept_new=request.accept_new) as hosts:
        layout = site_layout(declared)
        sites = seats(hosts, layout, declared, request.owner(declared))
        refuse_occupied(declared, sites)
        topology = settle_topology(declared, sites)
        given = given_certificates(topology, hosts.here, console)
        config = request.change(load_configuration(sites[0].live.config))
        work = work_on(topology, sites[0].live, config, hosts.here, console.progress)
        line.begins(work)
        prepared = prepare(request, work, hosts.lead, console)
        builds = ship(prepared, work, sites)
        resting = at_rest(topology, sites, builds, config, prepared.policy, given, request)
        if resting:
            console.plan(resting)
            return resting
        again = asked_again(hosts, sites, layout, declared)
        asked, spare = again[hosts.lead.name].questions
        lock = lock_and_read(hosts.lead, layout, request.what, asked, spare, reason=request.why, wait=request.wait)
        with lock as (token, answers):
            before, sites = sites, seats_again(hosts, again, answers, layout, topology, request.owner(topology))
            if is_as_before(before, sites):
                desired = compose_all(topology, sites, builds, config, prepared.policy, token, request.signature(), given)
                around = look_around(desired, sites)
                judgements = judge_migrations(desired[0], sites[0], console.progress, force=not request.check, move=request.move)
                plan = line.planned(roll_out(make_plans(desired, sites, judgements, around, request), topology))
                console.plan(plan)
                if not request.only_plan and (request.agreed or console.agreed(plan)):
                    line.starts()
                    apply(plan, sites, token, console.step, line.hook)
                    line.ends(plan)
                return plan
    return go(request, console, line)  # somebody else's deploy came in between: what was prepared here is of yesterday
