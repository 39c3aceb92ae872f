"""nuages ci: deploys from GitHub Actions and GitLab."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from nuages import __version__
from nuages.cli.site import root_of
from nuages.errors import UsageError
from nuages.topology import load_topology
from nuages.topology.environments import PRODUCTION
from nuages.topology.model import Topology


TEMPLATES = Path(__file__).parent / "templates"
SERVICES = ("github", "gitlab")
BRANCH = r"[A-Za-z0-9._/-]{1,100}"


@click.group()
def command() -> None:
    """Deploys from CI: the file that a service wants, and what it needs to be let in."""


@command.command("init")
@click.argument("service", required=False, type=click.Choice(SERVICES))
@click.option("--branch", default="main", metavar="NAME", help="A push to it deploys. Default: main.")
@click.option("--print", "only_print", is_flag=True, help="Print the file, to be put into one that is there already.")
@click.pass_context
def init(ctx: click.Context, service: str | None, branch: str, only_print: bool) -> None:
    """Write the workflow of GitHub Actions or GitLab that tests the project and deploys it, and say what to do then.

    With -e staging it is that environment's; several may stand beside each other.
    """
    root = root_of(ctx)
    topology = load_topology(root)
    if not re.fullmatch(BRANCH, branch):
        raise UsageError(f"{branch!r} is no name of a branch")
    if not topology.remote:
        raise UsageError("there is no server to deploy to", where=str(root), hint="nuages init --host user@address")
    chosen = service or guessed(root)
    text = workflow(chosen, topology, branch)
    if only_print:
        click.echo(text, nl=False)
        return
    path = file_of(chosen, root, topology.environment)
    if path.exists():
        raise UsageError("is there already", where=str(path), hint=f"nuages ci init {chosen} --print, and put it in by hand")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    click.echo(f"wrote {path.relative_to(root)}; next:\n\n{steps(chosen, topology, branch)}")


def guessed(root: Path) -> str:
    """By what lies there, or where the project is pushed to."""
    config = root / ".git" / "config"
    pushed_to = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    gitlab = (root / ".gitlab-ci.yml").exists() or ("gitlab" in pushed_to and not (root / ".github").exists())
    return "gitlab" if gitlab else "github"


def file_of(service: str, root: Path, environment: str) -> Path:
    if service == "gitlab":
        return root / ".gitlab-ci.yml"
    name = "deploy" if environment == PRODUCTION else f"deploy-{environment}"
    return root / ".github" / "workflows" / f"{name}.yml"


def workflow(service: str, topology: Topology, branch: str) -> str:
    words = {
        "environment": topology.environment,
        "chosen": _chosen(topology),
        "branch": branch,
        "python": topology.python or f"{sys.version_info[0]}.{sys.version_info[1]}",
        "version": __version__,
    }
    text = (TEMPLATES / f"{service}.yml").read_text(encoding="utf-8")
    for name, value in words.items():
        text = text.replace(f"@@{name}@@", value)
    return text


def _chosen(topology: Topology) -> str:
    return "" if topology.environment == PRODUCTION else f" -e {topology.environment}"


def steps(service: str, topology: Topology, branch: str) -> str:
    chosen = _chosen(topology)
    key = f"ci-{topology.environment}"
    where = {
        "github": f"on GitHub: Settings, Environments, {topology.environment}, Environment secrets",
        "gitlab": "on GitLab: Settings, CI/CD, Variables, each of the type File, protected",
    }[service]
    return f"""\
1. a key of CI's own, outside of the project:
     ssh-keygen -t ed25519 -N '' -C {key} -f ~/{key}
2. let it deploy {topology.name} and nothing else (you need root on the servers for this):
     nuages{chosen} access add-deploy-key {key} ~/{key}.pub
3. {where}:
     NUAGES_DEPLOY_KEY    what is in ~/{key}; then: rm ~/{key}
     NUAGES_KNOWN_HOSTS   what this prints: nuages{chosen} access host-keys
4. commit the file; every push to {branch} deploys from then on.

A deploy that changes the server itself (a new process, a package, another Nuages) stops before it changes anything and ends
with 77: run nuages{chosen} deploy once yourself."""
