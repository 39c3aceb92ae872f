"""ctl.py SITE VERB [GENERATION] [--listen TEXT] [--hold] [--timeout SECONDS]: one JSON object on standard output.

The words of the embedded supervisor, said to systemd. No daemon: it asks systemctl, writes what it must remember, ends.
"""

import json
import os
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import settling
import units
from state import DRAINING, FAILED, LIVE, PROVED, STARTING, RefusedError, Site, touch_untrusted, untrusted
from written import instances, unit_of, write_generation


HOME = os.path.dirname(os.path.realpath(__file__))
QUICK = 5.0  # seconds for what never had traffic to end
WORDS = {"active": "running", "reloading": "running", "deactivating": "stopping", "failed": "ended"}


class Client:
    def __init__(self, site, timeout):
        self.site = Site(site)
        self.timeout = timeout

    # --- looking -----------------------------------------------------------------------------------------

    def status(self):
        kept, live = self.site.load(), self.site.live()
        generations = {**{name: {"state": STARTING} for name in self.site.unstarted(kept)}, **kept["generations"]}
        specs = {name: self.site.spec(name) or {"processes": []} for name in generations}
        found = units.show(unit for name, spec in specs.items() for unit in settling.names(self.site, name, spec))
        return {
            "supervisor": int(kept["up"]),
            "home": HOME,
            "listen": kept["listen"],
            "live": live if live in specs else None,
            "generations": {name: self._describe(name, record, specs[name], live, found) for name, record in generations.items()},
        }

    def _describe(self, name, record, spec, live, found):
        state = LIVE if name == live else DRAINING if record["state"] == LIVE else record["state"]
        return {
            "number": spec.get("number"),
            "build": spec.get("build"),
            "units": spec.get("units"),
            "state": state,
            "since": record.get("since"),
            "failure": record.get("failure"),
            "processes": [
                describe_process(process, index, found.get(unit_of(self.site.name, process["name"], name, index), {}), state)
                for process in spec["processes"]
                for index in range(instances(process))
            ],
        }

    # --- verbs -------------------------------------------------------------------------------------------

    def ensure(self, listen=""):
        for path, mode in (("", 0o711), ("generations", 0o711)):
            folder = os.path.join(self.site.run_dir, path)
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)
        with self.site.changing() as kept:
            started = not kept["up"]
            kept.update(up=True, listen=[listen] if listen else kept["listen"])
        return {"listen": kept["listen"], "supervisor": 1, "started": started}

    def start(self, generation):
        spec = self.site.spec(generation)
        if not spec or not spec.get("processes"):
            raise RefusedError("no processes in %s" % os.path.join(self.site.generation_dir(generation), "spec.json"))
        with self.site.changing() as kept:
            known = kept["generations"].get(generation, {})
            if known.get("state") in (STARTING, PROVED, LIVE):
                return {"generation": generation, "state": known["state"]}
            self._check_units(spec)
            self._make_runtime(spec)
            write_generation(self.site, generation, spec, settling.group_of(spec))
            since = {p["name"]: size_of(p["log"]) for p in spec["processes"]}
            kept["generations"][generation] = {"state": STARTING, "since": time.time(), "log_from": since}
            self.site.save(kept)  # before the units: a start that nobody wrote down could not be taken back
            units.start(settling.names(self.site, generation, spec, "web"))
        return {"generation": generation, "state": STARTING}

    def _check_units(self, spec):
        wanted = [unit_of(self.site.name, p["name"], "check") for p in spec["processes"]]
        found = units.show(wanted)
        if any(f.get("NeedDaemonReload") == "yes" for f in found.values()) or missing(found):
            units.systemctl("daemon-reload", timeout=60)
            found = units.show(wanted)
        if missing(found):
            raise RefusedError(
                "there is no unit %s" % ", ".join(missing(found)).replace("@check", "@"),
                hint="units are written by a deploy; was one removed by hand? nuages drift",
            )

    def _make_runtime(self, spec):
        """As tmpfiles.d does at boot: the proxy's group may pass, nobody else but the site itself."""
        import pwd

        os.makedirs(self.site.runtime, mode=0o700, exist_ok=True)
        try:
            owner, group = pwd.getpwnam(spec.get("account") or "root").pw_uid, settling.group_of({"account": "www-data"})
        except KeyError:
            raise RefusedError("there is no user %s on this host" % spec["account"]) from None
        os.chown(self.site.runtime, owner, group)
        os.chmod(self.site.runtime, 0o510)  # noqa: S103 - the proxy's group passes through

    def prove(self, generation):
        import proving  # and with it http.client, which takes longer to load than a status to make

        kept, spec = self.site.load(), self.site.spec(generation)
        record = kept["generations"].get(generation)
        if record is None or spec is None:
            raise RefusedError("no generation %s" % generation, hint="start it first")
        if record["state"] in (PROVED, LIVE):
            return {"generation": generation, "state": record["state"]}
        verdict = self._verdict(generation, spec, record)
        with self.site.changing() as kept:
            if verdict is True:
                kept["generations"][generation].update(state=PROVED, since=time.time())
            else:
                kept["generations"][generation].update(state=FAILED, since=time.time(), failure=verdict)
                units.end(settling.names(self.site, generation, spec), QUICK)
        if verdict is not True:
            first, rest = verdict["lines"][0], verdict["lines"][1:]
            raise RefusedError("%s: %s" % (verdict["kind"], first), "\n".join(rest), proving.hint(verdict, self.site, generation))
        self._allow(generation)
        return {"generation": generation, "state": PROVED}

    def _verdict(self, generation, spec, record):
        import proving

        for process in spec["processes"]:
            if process["kind"] == "web":
                since = record.get("log_from", {}).get(process["name"], 0)
                allowed = min(self.timeout, float(process.get("start_timeout", 60)))
                verdict = proving.await_proof(self.site, generation, process, since, allowed)
                if verdict is not True:
                    return verdict
        return True

    def _allow(self, generation):
        """A worker that is replaced later need not prove itself again."""
        with untrusted(self.site.runtime, generation, "proof") as folder:
            if folder is not None:
                touch_untrusted(folder, "go")

    def switch(self, generation, hold=False):
        """`hold`: the traffic alone. What was live runs on whole, until this is said again without, or of it."""
        with self.site.changing() as kept:
            state = kept["generations"].get(generation, {}).get("state")
            if state is None:
                raise RefusedError("no generation %s" % generation, hint="start it first")
            if state not in (PROVED, LIVE):
                raise RefusedError("generation %s is %s, not proved" % (generation, state))
            if self.site.live() != generation:
                self.site.go_live(generation)
            if hold:
                return {"live": generation, "held": True}
            settling.mark_live(kept, generation)
        try:
            self._settle()
        except RefusedError as refused:  # the traffic has moved, and systemd tries the rest again
            return {"live": generation, "warning": refused.answer["error"], "detail": refused.answer["detail"]}
        return {"live": generation}

    def _settle(self):
        """By systemd, which goes on with it if we are ended; waits until it is done."""
        unit = "nuages-site-%s.service" % self.site.name
        units.systemctl("start", unit, timeout=max(self.timeout, 90))

    def settle(self):
        with self.site.changing() as kept:
            return settling.settle(self.site, kept)

    def drain_wait(self):
        deadline, pause = time.monotonic() + self.timeout, 0.1
        if self._unsettled():
            self._settle()
        while True:
            with self.site.changing() as kept:
                settling.mark_live(kept, self.site.live())
                settling.forget_gone(self.site, kept)
                left = settling.of_state(kept, DRAINING)
            if not left:
                return {"drained": True}
            if time.monotonic() > deadline:
                raise RefusedError("draining took longer than %g seconds" % self.timeout, ", ".join(left))
            time.sleep(pause)
            pause = min(pause * 1.3, 1.0)  # each turn starts a systemctl beside the jobs that are waited for

    def _unsettled(self):
        """A generation that should end and was not told so: the settling after its switch was cut short."""
        kept, live = self.site.load(), self.site.live()
        old = [name for name, record in kept["generations"].items() if record["state"] in (LIVE, DRAINING) and name != live]
        found = units.show(u for name in old for u in settling.names(self.site, name, self.site.spec(name)))
        return any(f.get("ActiveState") in ("active", "activating") for f in found.values())

    def discard(self, generation):
        if generation == self.site.live():
            raise RefusedError("generation %s is live" % generation)
        with self.site.changing() as kept:
            ending = settling.names(self.site, generation, self.site.spec(generation))
            if units.end(ending, QUICK):
                raise RefusedError("generation %s does not end" % generation)
            settling.forget(self.site, kept, generation, ending)
        return {"discarded": generation}

    def stop(self):
        with self.site.changing() as kept:
            self.site.go_dark()
            timers = kept.get("timers", [])
            if timers:
                units.systemctl("stop", *timers, may_fail=True)
            kept["timers"] = []
            stopping = sorted(kept["generations"])
            specs = {name: self.site.spec(name) or {"processes": []} for name in stopping}
            ending = [unit for name in stopping for unit in settling.names(self.site, name, specs[name])]
            units.stop(units.running(ending))
            bound = max([float(p.get("drain", 30)) for spec in specs.values() for p in spec["processes"]] or [30])
            left = units.wait_gone(ending, bound + 15)
            if left:
                raise RefusedError("%s does not end" % ", ".join(left))
            for name in stopping:
                settling.forget(self.site, kept, name, settling.names(self.site, name, specs[name]))
        return {"stopped": stopping}

    def down(self):
        if os.path.isdir(self.site.run_dir):
            import shutil

            self.stop()
            with self.site.changing() as kept:
                kept["up"] = False
            shutil.rmtree(self.site.runtime, ignore_errors=True)  # which follows no link
        return {"down": True}

    def upgrade(self):
        """Nothing of ours runs that would have to be replaced."""
        return {"home": HOME}


def describe_process(process, index, found, state):
    active = found.get("ActiveState", "inactive")
    if active == "activating":
        word = "backoff" if found.get("SubState") == "auto-restart" else "starting"
    elif active == "inactive":
        word = "waiting" if state in (STARTING, PROVED) and process["kind"] != "web" else "ended"
    else:
        word = WORDS.get(active, active)
    return {
        "name": process["name"] if index == 0 else "%s.%d" % (process["name"], index),
        "kind": process["kind"],
        "pid": int(found.get("MainPID") or 0) or None,
        "state": word,
        "started": units.started(found) if active != "inactive" else None,
        "restarts": int(found.get("NRestarts") or 0),
        "ended": how_it_ended(found),
        "rss_kb": units.memory_kb(found),
        "workers": process.get("workers"),
    }


def how_it_ended(found):
    """None while it has not: ExecMainCode is CLD_EXITED, CLD_KILLED or CLD_DUMPED of sigaction(2)."""
    code, status = found.get("ExecMainCode", "0"), found.get("ExecMainStatus", "")
    if code == "1":
        return "exited with status %s" % status
    return "was killed by signal %s" % status if code in ("2", "3") else None


def missing(found):
    return sorted(unit for unit, properties in found.items() if properties.get("LoadState") != "loaded")


def size_of(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def parse(arguments):
    import argparse

    parser = argparse.ArgumentParser(prog="ctl")
    parser.add_argument("site")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("ensure").add_argument("--listen", default="")
    for verb in ("start", "prove", "switch", "discard"):
        verbs.add_parser(verb).add_argument("generation")
    verbs.choices["switch"].add_argument("--hold", action="store_true")
    for verb in ("status", "settle", "drain-wait", "stop", "down", "upgrade"):
        verbs.add_parser(verb)
    for verb in verbs.choices.values():
        verb.add_argument("--timeout", type=float, default=120)
    return vars(parser.parse_args(arguments))


def main():
    fields = parse(sys.argv[1:])
    client = Client(fields.pop("site"), fields.pop("timeout"))
    verb = fields.pop("verb").replace("-", "_")
    try:
        answer = getattr(client, verb)(**fields)
    except RefusedError as refused:
        print(json.dumps(refused.answer))
        return 1
    except Exception as error:
        import traceback  # with what it needs it takes longer to load than this program

        print(json.dumps({"error": repr(error), "detail": traceback.format_exc(limit=-3), "hint": ""}))
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
