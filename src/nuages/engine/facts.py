"""What hooks and notifications are told of a deploy: names, numbers and commits; no value of the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from nuages.engine.inspecting import Work
from nuages.engine.model import Live
from nuages.engine.prepare import placeholder
from nuages.engine.request import Request, user
from nuages.hosts.command import run
from nuages.hosts.transport import Transport
from nuages.settings.configuration import Configuration
from nuages.topology.model import Topology


MOST_COMMITS = 10
SHORTEST = 6  # shorter values are flags and numbers


@dataclass(frozen=True)
class Facts:
    """`occasion`: deploy, rollback, config, scale, or "" for what nobody is notified of. `number` is the one that the
    release will have, `previous` the live one's, 0 where there is none."""

    site: str
    environment: str
    what: str
    occasion: str
    hosts: tuple[str, ...]
    number: int
    previous: int
    commit: str
    previous_commit: str
    branch: str
    dirty: bool
    who: str
    why: str
    url: str

    def environ(self, hook: str, error: str = "") -> dict[str, str]:
        """For hooks. NUAGES_RELEASE is no name for a number here: it is what the runtime of a release looks at."""
        told = {
            "HOOK": hook,
            "SITE": self.site,
            "ENVIRONMENT": self.environment,
            "WHAT": self.what,
            "HOSTS": " ".join(self.hosts),
            "NUMBER": str(self.number),
            "PREVIOUS_NUMBER": str(self.previous or ""),
            "COMMIT": self.commit,
            "PREVIOUS_COMMIT": self.previous_commit,
            "BRANCH": self.branch,
            "DIRTY": "1" if self.dirty else "",
            "WHO": self.who,
            "WHY": self.why,
            "URL": self.url,
            "ERROR": error,
        }
        return {f"NUAGES_{name}": value for name, value in told.items()}


def facts_of(request: Request, work: Work) -> Facts:
    topology, live = work.topology, work.live
    release = live.release or {}
    commit, branch, dirty = _commit(request, topology, live, work.here)
    return Facts(
        site=topology.name,
        environment=topology.environment,
        what=request.what,
        occasion=occasion_of(request),
        hosts=tuple(host.name for host in topology.hosts) or ("localhost",),
        number=live.number + 1,
        previous=live.number,
        commit=commit,
        previous_commit=str(release.get("commit") or ""),
        branch=branch,
        dirty=dirty,
        who=user(),
        why=request.why,
        url=url_of(topology, live),
    )


def occasion_of(request: Request) -> str:
    if request.source == "release":
        return "rollback"
    word = request.what.split()[0] if request.what else ""
    if word in ("config", "scale"):
        return word
    return "deploy" if request.source in ("project", "build") else ""


def _commit(request: Request, topology: Topology, live: Live, here: Transport) -> tuple[str, str, bool]:
    if request.source == "build":  # of another environment; its promotion tells of it
        return "", "", False
    if request.source != "project":
        release = live.numbered.get(f"v{request.number}") if request.source == "release" else live.release
        return str((release or {}).get("commit") or ""), "", bool((release or {}).get("dirty"))
    status = here.run(run("git", "status", "--porcelain=v2", "--branch", ".", cwd=str(topology.source)))
    lines = status.stdout.splitlines()
    head = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch.") and " " in line[2:])
    commit, branch = head.get("branch.oid", ""), head.get("branch.head", "").removeprefix("(detached)")
    return "" if commit == "(initial)" else commit, branch, any(not line.startswith("#") for line in lines)


def url_of(topology: Topology, live: Live) -> str:
    """Where people reach it."""
    scheme = "https" if topology.tls.enabled else "http"
    if topology.domains:
        return f"{scheme}://{topology.domains[0]}/"
    if topology.remote:
        return f"{scheme}://{topology.hosts[0].address or topology.hosts[0].name}/"
    return f"http://localhost:{live.address.rpartition(':')[2] or topology.port or live.free_port}/"


def commits_between(here: Transport, topology: Topology, facts: Facts) -> tuple[str, ...]:
    """The newest first; none where git does not know the way from one to the other."""
    if not facts.commit or not facts.previous_commit or facts.commit == facts.previous_commit:
        return ()
    log = ("git", "log", "--no-merges", "--no-color", "--format=%h %s", f"{facts.previous_commit}..{facts.commit}")
    found = here.run(run(*log, cwd=str(topology.root)))
    lines = [line for line in found.stdout.splitlines() if line.strip()] if found.ok else []
    more = len(lines) - MOST_COMMITS
    return (*lines[:MOST_COMMITS], *((f"and {more} more",) if more > 0 else ()))


def masked(text: str, config: Configuration) -> str:
    """Without any secret of the configuration: an error may quote what a program printed."""
    hidden = [config.secret_key, *config.secret_key_fallbacks]
    for name, value in config.env.items():
        if placeholder(name, value) != value:
            hidden += [value, _password(value)]
    for value in sorted((v for v in hidden if len(v) >= SHORTEST), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def _password(url: str) -> str:
    return url.split("://", 1)[1].rsplit("@", 1)[0].partition(":")[2] if "://" in url and "@" in url else ""
