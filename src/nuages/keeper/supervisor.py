"""The half that works: starts, watches, switches and drains generations, and obeys `ctl` on a unix socket.

Usage: supervisor.py SITE CHANNEL_FD SOCKET_FD,SOCKET_FD...
Single-threaded; no request waits (`ctl` polls `status`), so that a dead client changes nothing.
"""

import contextlib
import json
import os
import signal
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import logs
import sockets
import spawn
import state
from control import ControlSocket, RefusedError, inherited
from generations import DRAINING, LIVE, PROVED, STARTING, Generation


HOME = os.path.dirname(os.path.realpath(__file__))
OVERLAP = 0.2  # seconds in which old and new accept together, so that nobody ever finds a socket without a taker


class Supervisor:
    def __init__(self, site, channel, listeners):
        self.site = site
        self.run_dir = os.path.join(site, "run")
        self.channel = channel
        self.listeners = listeners
        self.live = None
        self.ending = False
        self.successor = None
        self.generations = {}
        self.saved = None
        self.next_rotation = 0.0

    # --- what is kept ------------------------------------------------------------------------------------

    def load(self):
        kept = state.read_json(os.path.join(self.run_dir, "state.json")) or {}
        self.live = kept.get("live")
        for name, record in kept.get("generations", {}).items():
            self.generations[name] = Generation(name, self._dir(name), record)
        for group in self._groups():
            state.kill_group(group, signal.SIGCONT)  # our predecessor may have died while it rotated a log

    def save(self):
        kept = {
            "schema": 1,
            "listen": self.addresses(),
            "live": self.live,
            "generations": {name: generation.kept() for name, generation in self.generations.items()},
        }
        text = json.dumps(kept, sort_keys=True)
        if text != self.saved:
            state.write_json(os.path.join(self.run_dir, "state.json"), kept)
            self.saved = text

    def addresses(self):
        return [sockets.address_of(listener) for listener in self.listeners]

    def _dir(self, name):
        return os.path.join(self.run_dir, "generations", name)

    def _groups(self, log=None):
        return [
            process.group
            for generation in self.generations.values()
            for process in generation.processes
            if process.group is not None and (log is None or process.spec["log"] == log)
        ]

    # --- one turn ----------------------------------------------------------------------------------------

    def turn(self):
        statuses = state.reap_children()
        for generation in list(self.generations.values()):
            self._watch(generation, statuses)
        for generation in list(self.generations.values()):
            if generation.state == DRAINING:
                self._drain(generation)
        self._rotate_logs()
        self.save()

    def _watch(self, generation, statuses):
        for process in generation.processes:
            process.watch(statuses)
        if generation.state == STARTING:
            generation.judge()
        if generation.state == LIVE and not self.ending:
            held = self._held_back(generation)
            for process in generation.processes:
                if process.may_start() and process.kind not in held:
                    process.restarts += process.started is not None
                    generation.start(process, self.listeners, self.save)
        elif generation.state == PROVED and any(not p.is_running() for p in generation.of_kind("web")):
            generation.become(STARTING)  # judged again: it says how it ended

    def _drain(self, generation):
        if time.time() - generation.since > OVERLAP:
            generation.stop()
        if generation.is_gone():
            del self.generations[generation.name]
            generation.forget()

    def _held_back(self, generation):
        """Schedulers wait until those of the old generation are gone."""
        old = [g for g in self.generations.values() if g is not generation and g.state == DRAINING]
        return ("scheduler",) if any(not p.is_gone() for g in old for p in g.of_kind("scheduler")) else ()

    def _rotate_logs(self):
        if time.time() < self.next_rotation:
            return
        self.next_rotation = time.time() + 2
        paths = {p.spec["log"] for g in self.generations.values() for p in g.processes}
        for path in paths:
            logs.rotate(path, self._groups(path))
        logs.rotate(os.path.join(self.site, "logs", "keeper.log"), [])

    # --- verbs -------------------------------------------------------------------------------------------

    def obey(self, request):
        verb = request.get("verb", "")
        action = getattr(self, "verb_" + verb, None)
        if action is None:
            raise RefusedError("unknown verb", verb)
        answer = action(request)
        self.save()
        return answer

    def verb_status(self, request):
        memory = state.memory_by_group()
        kept = state.read_json(os.path.join(self.run_dir, "keeper.json")) or {}
        return {
            "keeper": kept.get("pid"),
            "supervisor": os.getpid(),
            "home": HOME,
            "keeper_home": kept.get("home"),
            "listen": self.addresses(),
            "live": self.live,
            "generations": {name: generation.describe(memory) for name, generation in self.generations.items()},
        }

    def verb_ensure(self, request):
        wanted = request["listen"]
        if not sockets.satisfies(self.addresses(), wanted):
            try:
                listener = sockets.bind(wanted)
            except OSError as error:
                raise RefusedError("cannot listen on " + wanted, str(error), "choose another port") from error
            self.replace_sockets([listener])
        return {"listen": self.addresses(), "supervisor": os.getpid()}

    def replace_sockets(self, listeners):
        for listener in self.listeners:
            listener.close()
        self.listeners = listeners
        self.tell_keeper({"sockets": self.addresses()}, [listener.fileno() for listener in listeners])

    def verb_start(self, request):
        name = request["generation"]
        old = self.generations.get(name)
        if old is not None and old.state in (STARTING, PROVED, LIVE):
            return {"generation": name, "state": old.state}
        if old is not None and not old.is_gone():
            raise RefusedError("generation %s is still stopping" % name, hint="discard it first")
        generation = Generation(name, self._dir(name))
        if not generation.processes:
            raise RefusedError("no processes in %s" % os.path.join(self._dir(name), "spec.json"))
        generation.clear_proofs()
        self.generations[name] = generation
        for process in generation.of_kind("web"):
            generation.start(process, self.listeners, self.save)
        return {"generation": name, "state": generation.state}

    def verb_switch(self, request):
        name = request["generation"]
        generation = self._known(name)
        if generation.state == LIVE:
            return {"live": name}
        if generation.state != PROVED:
            raise RefusedError("generation %s is %s, not proved" % (name, generation.state))
        generation.allow_to_accept()
        generation.become(LIVE)
        old = self.generations.get(self.live)
        self.live = name
        if old is not None:
            old.become(DRAINING)
            old.stop(kinds=("scheduler",))  # the new ones are held back until these are gone
        return {"live": name}

    def verb_discard(self, request):
        name = request["generation"]
        if name not in self.generations:
            return {"discarded": name}
        if name == self.live:
            raise RefusedError("generation %s is live" % name)
        generation = self.generations[name]
        if generation.state != DRAINING:
            generation.become(DRAINING)
            generation.stop(bound=5)
        return {"discarding": name}

    def verb_stop(self, request):
        self.live = None
        for generation in self.generations.values():
            generation.become(DRAINING)
            generation.stop()
        return {"stopping": sorted(self.generations)}

    def verb_end(self, request):
        self.ending = True
        return {"ending": True}

    def verb_upgrade(self, request):
        """Re-execute from other files; `ctl` asks again, and then the keeper follows: one of the two always works."""
        if request["home"] == HOME:
            self.tell_keeper({"exec": HOME})
        else:
            self.successor = request["home"]
        return {"home": HOME}

    def _known(self, name):
        if name not in self.generations:
            raise RefusedError("no generation %s" % name, hint="start it first")
        return self.generations[name]

    # --- the keeper --------------------------------------------------------------------------------------

    def tell_keeper(self, message, fds=()):
        with contextlib.suppress(OSError):  # its death is seen by the loop
            sockets.send(self.channel, message, fds)

    def respawn_keeper(self):
        self.channel.close()
        _pid, self.channel = spawn.spawn_half(HOME, "keeper", self.site, self.listeners)
        self.tell_keeper({"pid": os.getpid()})

    def run(self):
        control = ControlSocket(self.run_dir)
        while True:
            requests, orphaned = control.wait(self.channel)
            for connection, request in requests:
                control.answer(connection, self._answer, request)
            if self.ending:
                self.tell_keeper({"end": True})
                control.remove()
                return
            if self.successor:
                spawn.replace_self(self.successor, "supervisor", self.site, self.channel, self.listeners)
            if orphaned:
                self.respawn_keeper()
            self.turn()

    def _answer(self, request):
        answer = self.obey(request)
        self.turn()
        return answer

    def end_on_signal(self, *_args):
        """The machine goes down: everything ends, but what is live stays written and comes back with `ensure`."""
        for generation in self.generations.values():
            for process in generation.processes:
                process.stop()
        state.wait_until(self._all_gone, 60)
        self.tell_keeper({"end": True})
        os._exit(0)

    def _all_gone(self):
        statuses = state.reap_children()
        processes = [p for g in self.generations.values() for p in g.processes]
        for process in processes:
            process.watch(statuses)
        return all(process.is_gone() for process in processes)


def main():
    site, channel, fds = sys.argv[1:4]
    run_dir = os.path.join(site, "run")
    lock = state.hold_lock(os.path.join(run_dir, "supervisor.lock"))
    sockets.adopt_orphans()
    supervisor = Supervisor(site, next(inherited(channel)), list(inherited(fds)))
    signal.signal(signal.SIGTERM, supervisor.end_on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervisor.load()
    supervisor.tell_keeper({"pid": os.getpid()})
    with lock:
        supervisor.run()


if __name__ == "__main__":
    main()
