"""nuages init: a nuages.toml to start from."""

from __future__ import annotations

import json

import click

from nuages.cli.site import path_argument, root_of
from nuages.errors import UsageError
from nuages.topology.loading import FILE, REFERENCE, load_text, site_name


@click.command()
@path_argument
@click.option("--host", "hosts", multiple=True, metavar="USER@ADDRESS", help="A server to deploy to; may be given several times.")
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="A name under which people reach the site.")
@click.option("--ssh-config", default="", metavar="FILE", help="For ssh, in place of ~/.ssh/config.")
@click.pass_context
def command(ctx: click.Context, path: str | None, hosts: tuple[str, ...], domains: tuple[str, ...], ssh_config: str) -> None:
    """Write a nuages.toml with every key explained and commented out. None is needed on this machine.

    With --host it names your servers, and `nuages deploy` goes there.
    """
    root = root_of(ctx, path)
    target = root / FILE
    if target.exists():
        hint = f'add a table [hosts.web-1] with address = "{hosts[0]}" to it' if hosts else "edit it, or move it away first"
        raise UsageError("is there already", where=str(target), hint=hint)
    text = template(site_name(root.name), hosts, domains, ssh_config)
    load_text(root, text)
    target.write_text(text, encoding="utf-8")
    click.echo(f"wrote {target}; " + ("next: nuages deploy" if hosts else "every key in it is optional"))


EXAMPLE = '# [hosts.web-1]\n# address = "192.0.2.11"\n'


def template(name: str, hosts: tuple[str, ...] = (), domains: tuple[str, ...] = (), ssh_config: str = "") -> str:
    """The reference with every key commented out, but for what is known already."""
    lines = [_commented(line) for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(lines).replace('# name = "library"', f'name = "{name}"', 1)
    if domains:
        text = text.replace("# domains = []", f"domains = {json.dumps(list(domains))}", 1)
    if hosts:
        text = text.replace(EXAMPLE, _hosts(hosts, ssh_config), 1)
    return text + "\n"


def _hosts(addresses: tuple[str, ...], ssh_config: str) -> str:
    more = f"ssh_config = {json.dumps(ssh_config)}\n" if ssh_config else ""
    tables = [f"[hosts.web-{n}]\naddress = {json.dumps(address)}\n{more}" for n, address in enumerate(addresses, 1)]
    return "\n".join(tables)


def _commented(line: str) -> str:
    """Tables under names of the user's own are examples; the others may stand empty."""
    plain = not line or line.startswith("#") or (line.startswith("[") and not line.startswith(("[[", "[hosts.", "[env.")))
    return line if plain else f"# {line}"
