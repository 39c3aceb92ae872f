"""ctl.py SITE VERB [GENERATION] [--listen HOST:PORT] [--timeout SECONDS]: one JSON object on standard output.

The waiting is done here, by asking the supervisor again and again: it never waits itself.
"""

import errno
import json
import os
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import diagnosis
import sockets
import spawn
import state
from control import RefusedError, ask


HOME = os.path.dirname(os.path.realpath(__file__))
PAUSE = 0.03


class Client:
    def __init__(self, site, timeout):
        self.site = os.path.abspath(site)
        self.run_dir = os.path.join(self.site, "run")
        self.timeout = timeout

    def ask(self, verb, **fields):
        """A supervisor that dies under a request is replaced within a second: ask again."""
        deadline = time.monotonic() + 10
        while True:
            try:
                answer = ask(self.run_dir, dict(fields, verb=verb))
            except OSError as error:
                if time.monotonic() > deadline or not self._may_come_back():
                    raise RefusedError("the keeper is not running", str(error), "run `ensure` first") from error
                time.sleep(0.05)
                continue
            if "error" in answer:
                raise RefusedError(**answer)
            return answer

    def _may_come_back(self):
        kept = state.read_json(os.path.join(self.run_dir, "keeper.json")) or {}
        return state.is_alive(kept.get("pid"), kept.get("token"))

    def wait(self, done, what):
        deadline = time.monotonic() + self.timeout
        while True:
            value = done(self.ask("status"))
            if value:
                return value
            if time.monotonic() > deadline:
                raise RefusedError("%s took longer than %g seconds" % (what, self.timeout))
            time.sleep(PAUSE)

    # --- verbs -------------------------------------------------------------------------------------------

    def ensure(self, listen):
        for name in ("run", "logs", os.path.join("run", "generations")):
            os.makedirs(os.path.join(self.site, name), mode=0o700, exist_ok=True)
        with state.hold_lock(os.path.join(self.run_dir, "ensure.lock"), timeout=30):
            started = not self._is_up()
            if started:
                self._start_keeper(listen)
        return dict(self.ask("ensure", listen=listen), started=started)

    def _is_up(self):
        try:
            self.ask("status")
        except RefusedError:
            return False
        return True

    def _start_keeper(self, listen):
        listener = self._bind(listen)
        _pid, channel = spawn.spawn_half(HOME, "keeper", self.site, [listener])
        channel.close()  # the keeper sees its supervisor missing and starts one
        listener.close()
        if not state.wait_until(self._answers, 15):
            raise RefusedError("the supervisor did not start", hint="see logs/keeper.log")

    def _answers(self):
        try:
            return ask(self.run_dir, {"verb": "status"})
        except OSError:
            return None

    def _bind(self, listen):
        try:
            return sockets.bind(listen)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and self._end_leftovers():
                return sockets.bind(listen)
            raise RefusedError("cannot listen on " + listen, str(error), "choose another port") from error

    def _end_leftovers(self):
        """Both halves were killed at once: what still serves holds our socket, so it must end before we bind."""
        kept = state.read_json(os.path.join(self.run_dir, "state.json")) or {}
        running = [
            process
            for generation in kept.get("generations", {}).values()
            for process in generation["processes"].values()
            if state.is_alive(process["pid"], process["token"])
        ]
        for process in running:
            state.kill_group(process["group"], 15)
        ended = state.wait_until(lambda: not any(state.group_exists(p["group"]) for p in running), 10)
        for process in running if not ended else ():
            state.kill_group(process["group"], 9)
        return bool(running)

    def status(self):
        return self.ask("status")

    def start(self, generation):
        return self.ask("start", generation=generation)

    def prove(self, generation):
        def judged(status):
            found = status["generations"].get(generation)
            if found is None:
                raise RefusedError("no generation %s" % generation, hint="start it first")
            return found if found["state"] != "starting" else None

        found = self.wait(judged, "the proof of %s" % generation)
        if found["state"] == "failed":
            failure = found["failure"]
            raise RefusedError(
                "%s: %s" % (failure["kind"], failure["lines"][0]),
                "\n".join(failure["lines"][1:]),
                diagnosis.HINTS.get(failure["kind"], ""),
            )
        return {"generation": generation, "state": found["state"]}

    def switch(self, generation):
        return self.ask("switch", generation=generation)

    def drain_wait(self):
        def drained(status):
            return all(g["state"] != "draining" for g in status["generations"].values())

        self.wait(drained, "draining")
        return {"drained": True}

    def discard(self, generation):
        self.ask("discard", generation=generation)
        self.wait(lambda status: generation not in status["generations"], "discarding")
        return {"discarded": generation}

    def stop(self):
        stopping = self.ask("stop")["stopping"]
        self.wait(lambda status: not status["generations"], "stopping")
        return {"stopped": stopping}

    def down(self):
        if not self._is_up():
            return {"down": True}
        self.stop()
        self.ask("end")
        kept = state.read_json(os.path.join(self.run_dir, "keeper.json")) or {}
        state.wait_until(lambda: not state.is_alive(kept.get("pid"), kept.get("token")), 10)
        return {"down": True}

    def upgrade(self):
        if self.status()["home"] != HOME:
            self.ask("upgrade", home=HOME)
            if not state.wait_until(lambda: self.status()["home"] == HOME, 10):
                raise RefusedError("the new supervisor did not start", hint="the old one goes on; see logs/keeper.log")
        if self.status()["keeper_home"] != HOME:
            self.ask("upgrade", home=HOME)
            if not state.wait_until(lambda: self.status()["keeper_home"] == HOME, 10):
                raise RefusedError("the new keeper did not start", hint="see logs/keeper.log")
        return {"home": HOME}


def parse(arguments):
    import argparse

    parser = argparse.ArgumentParser(prog="ctl")
    parser.add_argument("site")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("ensure").add_argument("--listen", required=True)
    for verb in ("start", "prove", "switch", "discard"):
        verbs.add_parser(verb).add_argument("generation")
    for verb in ("status", "drain-wait", "stop", "down", "upgrade"):
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
    except (OSError, ValueError) as error:
        print(json.dumps({"error": str(error), "detail": repr(error), "hint": ""}))
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
