"""A generation: the processes of one release, from held to live to drained."""

import os
import shutil
import time

import diagnosis
from processes import Process
from state import read_json, write_json


ACCEPTS_FIRST = ("web",)
STARTING, PROVED, FAILED, LIVE, DRAINING = "starting", "proved", "failed", "live", "draining"


class Generation:
    def __init__(self, name, directory, kept=None):
        kept = kept or {}
        self.name = name
        self.dir = directory
        self.spec = read_json(os.path.join(directory, "spec.json")) or kept.get("spec") or {"processes": []}
        self.state = kept.get("state", STARTING)
        self.since = kept.get("since", time.time())
        self.failure = kept.get("failure")
        running = kept.get("processes", {})
        self.processes = [
            Process(spec, index, running.get("%s.%d" % (spec["name"], index)))
            for spec in self.spec["processes"]
            for index in range(int(spec.get("instances", 1)))
        ]

    def kept(self):
        return {
            "state": self.state,
            "since": self.since,
            "failure": self.failure,
            "processes": {process.key: process.kept() for process in self.processes},
        }

    def of_kind(self, *kinds):
        return [process for process in self.processes if process.kind in kinds]

    def become(self, state):
        self.state = state
        self.since = time.time()

    def proof_dir(self, process):
        return os.path.join(self.dir, "proof", process.key)

    def start(self, process, listeners, save):
        proof = self.proof_dir(process)
        os.makedirs(proof, mode=0o700, exist_ok=True)
        env = {"NUAGES_GENERATION": self.name, "NUAGES_PROOF": proof}
        if process.spec.get("workers"):
            env["NUAGES_WORKERS"] = str(process.spec["workers"])
        process.start(env, listeners, save)

    def clear_proofs(self):
        shutil.rmtree(os.path.join(self.dir, "proof"), ignore_errors=True)

    def allow_to_accept(self):
        for process in self.of_kind(*ACCEPTS_FIRST):
            os.makedirs(self.proof_dir(process), mode=0o700, exist_ok=True)
            write_json(os.path.join(self.proof_dir(process), "go"), {})

    def judge(self):
        """Look at the proofs of a starting generation."""
        verdicts = [diagnosis.judge(process, self.proof_dir(process)) for process in self.of_kind(*ACCEPTS_FIRST)]
        failures = [verdict for verdict in verdicts if isinstance(verdict, dict)]
        if failures:
            self.failure = failures[0]
            self.become(FAILED)
            self.stop(bound=5)
        elif all(verdict is True for verdict in verdicts):
            self.become(PROVED)

    def stop(self, bound=None, kinds=None):
        for process in self.processes if kinds is None else self.of_kind(*kinds):
            process.stop(bound)

    def is_gone(self):
        return all(process.is_gone() for process in self.processes)

    def forget(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def describe(self, memory):
        return {
            "number": self.spec.get("number"),
            "build": self.spec.get("build"),
            "state": self.state,
            "since": self.since,
            "failure": self.failure,
            "processes": [
                {
                    "name": process.spec["name"] if process.index == 0 else process.key,
                    "kind": process.kind,
                    "pid": process.pid,
                    "state": process.state(),
                    "started": process.started,
                    "restarts": process.restarts,
                    "ended": process.ended,
                    "rss_kb": memory.get(process.group, 0),
                    "workers": process.spec.get("workers"),
                }
                for process in self.processes
            ],
        }
