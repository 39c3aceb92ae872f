"""READ FIRST. The whole of Nuages: what every verb does, or the part of it that the verb needs.

Every line takes values from the lines above it and returns a frozen one; nothing calls back up. The plan is whole
before the first write, and apply decides nothing. `plan` leaves before apply, `check` after the audit; `rollback`,
`start`, `config` and `scale` bring an older or the live build in place of one made from the project.
"""

from __future__ import annotations

from nuages.engine.apply import apply
from nuages.engine.compose import compose
from nuages.engine.judge import judge_migrations
from nuages.engine.lock import lock_and_read
from nuages.engine.model import Plan
from nuages.engine.observe import observe, questions, understand
from nuages.engine.plan import make_plan
from nuages.engine.prepare import Prepared, prepare
from nuages.engine.request import Console, Request
from nuages.engine.rollout import roll_out
from nuages.hosts import reach
from nuages.release.layout import local_site
from nuages.settings.configuration import load_configuration
from nuages.topology import load_topology


def deploy(request: Request, console: Console) -> Plan:
    """Bring a site to what its project, topology and configuration say. Returns the plan that was (or would be) applied.

    Raises a NuagesError of the stage that failed; what was live still serves.
    """
    topology = request.adjust(load_topology(request.root))
    with reach(topology) as here:
        layout = local_site(topology.name)
        live = observe(here, layout, request.owner(topology))
        config = request.change(load_configuration(live.config))
        prepared: Prepared = prepare(request, topology, live, config, here, console)
        with lock_and_read(here, layout, request.what, questions(layout)) as (token, answers):
            live = understand(answers, layout, request.owner(topology))
            desired = compose(topology, live, prepared.build, config, prepared.policy, token=token, signature=request.signature())
            judgements = judge_migrations(desired, live, here, console.progress, force=not request.check)
            plan = roll_out(make_plan(desired, live, judgements, force=request.force), topology)
            console.plan(plan)
            if not request.only_plan and console.agreed(plan):
                apply(plan, here, live, token, console.step)
    return plan
