"""Who may log in to deploy, and the account that the site runs as with the folders it lives in."""

from __future__ import annotations

from nuages.components.base.facts import Facts
from nuages.components.contract import Account, Description, Directory, File, Placement
from nuages.components.templating import head
from nuages.hosts.command import run


DEPLOY = "deploy"


def describe_accounts(placement: Placement, facts: Facts) -> tuple[Description, ...]:
    """`deploy`, where people log in as root today: equal to root by sudo, and named in the logs. Its keys are root's, once."""
    if facts.login not in ("root", DEPLOY) or not facts.keys or placement.account == DEPLOY:
        return ()
    home = f"/home/{DEPLOY}"
    sudoers = File(
        f"/etc/sudoers.d/50-nuages-{DEPLOY}",
        head("", "edit it here, there is no setting for it") + f"{DEPLOY} ALL=(ALL:ALL) NOPASSWD: ALL\n",
        0o440,
    )
    keys = File(f"{home}/.ssh/authorized_keys", "\n".join(facts.keys) + "\n", 0o600, DEPLOY, DEPLOY, once=True)
    return (
        Description(
            name="accounts",
            what="a login to deploy with, equal to root by sudo",
            scope="host",
            packages=("sudo",),
            accounts=(Account(DEPLOY, "Deploys with Nuages; equal to root by sudo", home, "/bin/bash"),),
            directories=(Directory(f"{home}/.ssh", 0o700, DEPLOY, DEPLOY),),
            files=(sudoers, keys),
            verify=run("visudo", "-c", "-q", timeout=30),
        ),
    )


def describe_site(placement: Placement) -> Description:
    """The site's account owns what the site writes, and nothing else: not its code, not its environment, not its logs."""
    account, layout = placement.account, placement.layout
    code, own = ("root", account), (account, account)
    return Description(
        name="site",
        what=f"{placement.topology.name} and the account that it runs as",
        accounts=(Account(account, f"Runs the site {placement.topology.name}, by Nuages", str(layout.shared("home"))),),
        directories=(
            Directory(str(layout.dir), 0o751),
            Directory(str(layout / "releases"), 0o750, *code),
            Directory(str(layout.venvs), 0o750, *code),
            Directory(str(layout / "numbered"), 0o750, *code),
            Directory(str(layout / "keeper"), 0o755),
            Directory(str(layout / "config"), 0o700),
            Directory(str(layout.snapshots), 0o700),
            Directory(str(layout.logs), 0o750, *code),
            Directory(str(layout / "run"), 0o711),
            Directory(str(layout / "run" / "generations"), 0o711),
            Directory(str(layout / "errors"), 0o700, *own),
            Directory(str(layout / "shared"), 0o751),
            Directory(str(layout.shared("static")), 0o755),
            Directory(str(layout.shared("media")), 0o2750, account, "www-data"),
            Directory(str(layout.shared("data")), 0o750, *own),
            Directory(str(layout.shared("files")), 0o750, *own),
            Directory(str(layout.shared("home")), 0o700, *own),
            Directory(str(layout.shared("config-files")), 0o750, *code),
        ),
    )
