"""nuages db copy: one environment's database into another, scrubbed, and the other kept quiet."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from nuages.cli.change import apply_change
from nuages.cli.console import Terminal, count
from nuages.cli.db_scrub import warn
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, root_of, site_at, terminal
from nuages.data.hand import Hand, laid, place_of
from nuages.data.pull import pull
from nuages.data.push import Pushed, push
from nuages.data.scrub import Intent, intend, look
from nuages.engine.lock import deploy_lock
from nuages.errors import UsageError
from nuages.settings.configuration import load_configuration, set_quiet


@click.command("copy", short_help="One environment's database into another, scrubbed.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--raw", is_flag=True, help="As it is, personal data and all. Asks twice, and is in the audit log.")
@click.option("--loud", is_flag=True, help="Leave TO's mail and scheduler as they are.")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@yes_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, source: str, target: str, raw: bool, loud: bool, alias: str, yes: bool, as_json: bool) -> None:
    """Copy the database of the environment FROM into that of TO, scrubbed: nuages db copy production staging.

    Before it arrives, TO is made quiet: its mail goes into files, its scheduler and jobs of the clock are off until you say
    nuages -e TO quiet off. Its database is replaced after a check, and kept.
    """
    if source == target:
        raise UsageError("they are the same environment", hint="nuages db copy production staging")
    old, new = site_at(root_of(ctx), source), site_at(root_of(ctx), target)
    old.deployed()
    new.deployed()
    permitted(new)
    console = terminal(ctx, as_json=as_json)
    with laid(place_of(old.topology, old.lead, alias)) as hand:
        told = look(hand)
        intent = None if raw else intend(told, old.topology.scrub)
        _agree(old, new, intent, rows=sum(told["rows"].values()), yes=yes)
        if not loud:
            make_quiet(new, as_json=as_json)
        pushed = _carried(old, new, hand, intent, alias, console, loud=loud)
    console.clear()
    _tell(new, target, pushed, loud=loud, as_json=as_json)


def _agree(old: Site, new: Site, intent: Intent | None, *, rows: int, yes: bool) -> None:
    how = "as it is, personal data and all" if intent is None else f"scrubbed in {count(len(intent.plan.columns), 'column')}"
    if intent:
        warn(intent)
    else:
        permitted(old)
    what = f"This replaces the database of {target_of(new)} with that of {target_of(old)}, {how}; what it replaces is kept."
    meant(new, what, yes=yes)
    if intent is None and not yes and not click.confirm(f"About {rows} rows of real people's data: are you sure?", err=True):
        raise UsageError("nothing was copied", where=new.topology.name)


def make_quiet(site: Site, *, as_json: bool) -> None:
    """Before anybody's address is there."""
    if load_configuration(site.live().config).quiet:
        return
    apply_change(site, lambda config: set_quiet(config, quiet=True), "quiet on", as_json=as_json)


def _carried(old: Site, new: Site, hand: Hand, intent: Intent | None, alias: str, console: Terminal, *, loud: bool) -> Pushed:
    with tempfile.TemporaryDirectory(prefix="nuages-copy-") as folder:
        archive = Path(folder) / f"{old.topology.name}.tar"
        if intent is None:
            with deploy_lock(old.lead, old.layout, "db copy --raw", reason=f"personal data goes to {new.topology.name}"):
                pull(hand, None, archive, console.progress)
        else:
            pull(hand, intent, archive, console.progress)
        place = place_of(new.topology, new.lead, alias)
        lock = deploy_lock(new.lead, new.layout, "db copy", reason=f"from {old.topology.name}")
        with laid(place) as there, lock as token:
            if not loud:
                there.ask("mail", program="crossing.py")
            engine = there.ask("facts")["engine"]
            page = not new.live().maintenance
            return push(there, archive, engine, token, console.step, console.progress, migrate=True, newer=False, page=page)


def _tell(new: Site, target: str, pushed: Pushed, *, loud: bool, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps({"event": "copied", "to": new.topology.name, "kept": pushed.kept, "rows": pushed.rows, "quiet": not loud})
        )
        return
    click.echo(f"{new.topology.name} has it: {count(pushed.rows, 'row')}; what it had is kept as {pushed.kept}")
    if not loud:
        click.echo(f"its mail goes into files and its scheduler is off: nuages -e {target} quiet off turns them on")
