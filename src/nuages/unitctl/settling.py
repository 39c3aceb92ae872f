"""The processes as the link says: what was live before ends, what is live now runs whole. Said again it changes nothing.

It runs as the unit nuages-site-NAME.service: after each switch, and at boot, where it alone brings the site up. So systemd
goes on with it when whoever asked for the switch is gone, and a reboot in the middle comes back to one generation.
"""

import os
import time

import units
from state import DRAINING, LIVE, RefusedError
from written import instances, unit_of, write_process


CRON = "cron"


def settle(site, kept):
    live = site.live()
    spec = site.spec(live) if live else None
    if not kept["up"] or spec is None:
        return {"live": None}
    mark_live(kept, live)
    old = of_state(kept, DRAINING)
    replace_schedulers(site, old, live, spec)
    units.start(names(site, live, spec, "web", "worker"))
    settle_cron(site, kept, live, spec)
    settle_failed(site, live, spec)
    site.save(kept)
    retire(site, old)
    forget_gone(site, kept)
    return {"live": live}


def mark_live(kept, live):
    for name, record in kept["generations"].items():
        if name == live:
            if record.get("state") != LIVE:
                record.update(state=LIVE, since=time.time())
        elif record.get("state") == LIVE:
            record.update(state=DRAINING, since=time.time())


def of_state(kept, *states):
    return [name for name, record in kept["generations"].items() if record.get("state") in states]


def names(site, generation, spec, *kinds):
    """The units of a generation."""
    return [
        unit_of(site.name, process["name"], generation, index)
        for process in (spec or {}).get("processes", ())
        if not kinds or process["kind"] in kinds
        for index in range(instances(process))
    ]


def replace_schedulers(site, old, live, spec):
    """The new ones start when the old ones are gone, and not before: nothing is scheduled twice."""
    specs = {name: site.spec(name) or {"processes": []} for name in old}
    ending = [unit for name, spec_ in specs.items() for unit in names(site, name, spec_, "scheduler")]
    drains = [float(p.get("drain", 30)) for spec_ in specs.values() for p in spec_["processes"] if p["kind"] == "scheduler"]
    left = units.end(units.running(ending), max(drains, default=0))
    if left:
        raise RefusedError("%s does not end" % ", ".join(left), hint="its successor waits for it: systemctl status %s" % left[0])
    units.start(names(site, live, spec, "scheduler"))


def retire(site, old):
    """Told to end, with no waiting of ours: their units say how (ExecStop, KillMode, TimeoutStopSec)."""
    units.stop(units.running(unit for name in old for unit in names(site, name, site.spec(name))))


def forget_gone(site, kept):
    for name in of_state(kept, DRAINING):
        ending = names(site, name, site.spec(name))
        if not units.running(ending):
            forget(site, kept, name, ending)


def forget(site, kept, name, ending):
    units.reset([unit for unit, found in units.show(ending).items() if found.get("ActiveState") == "failed"])
    kept["generations"].pop(name, None)
    site.forget(name)


# --- jobs of the clock -------------------------------------------------------------------------------------------


def settle_cron(site, kept, live, spec):
    """The jobs run the live release: one script and one file of variables, replaced whole at each switch."""
    jobs = spec.get("cron") or []
    folder = os.path.join(site.run_dir, CRON)
    gone = sorted(set(kept.get("timers", [])) - {timer(site, job["name"]) for job in jobs})
    if gone:
        units.systemctl("stop", *gone, may_fail=True)
    if jobs:
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o711)  # noqa: S103 - the site's user passes through
        for job in jobs:
            write_job(site, folder, job, live, group_of(spec))
        units.start([timer(site, job["name"]) for job in jobs])
    kept["timers"] = [timer(site, job["name"]) for job in jobs]


def write_job(site, folder, job, live, group):
    write_process(folder, job["name"], job, {"NUAGES_GENERATION": live}, "the job %s of %s" % (job["name"], live), group, site)


def settle_failed(site, live, spec):
    """What tells of a unit that failed has the live release's way to send mail."""
    if spec.get("failed"):
        folder = os.path.join(site.run_dir, "failed")
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o711)  # noqa: S103 - the site's user passes through
        own, what = {"NUAGES_GENERATION": live}, "what tells of a failed unit"
        write_process(folder, "tell", spec["failed"], own, what, group_of(spec), site)


def timer(site, job):
    return "%s-cron-%s.timer" % (site.name, job)


def group_of(spec):
    import grp

    try:
        return grp.getgrnam(spec.get("account") or "root").gr_gid
    except KeyError:
        raise RefusedError("there is no group %s on this host" % spec["account"]) from None
