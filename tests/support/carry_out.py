"""Descriptions carried out on a lab host in the order of the contract, in a few lines: for trying one component alone."""

from __future__ import annotations

import shlex

from nuages.secret import Secret


def carry_out(host, *descriptions):
    """`host` has run(script or argv) and must(...). Everything is written; `of_package` counts as installed by us."""
    for description in (d for d in descriptions if d.early):
        write_files(host, description)
    packages = sorted({name for d in descriptions for name in d.packages})
    if packages:
        install = "apt-get install -y -q --no-install-recommends"
        host.must(f"DEBIAN_FRONTEND=noninteractive {install} {' '.join(packages)}", timeout=600)
    for description in descriptions:
        one(host, description)


def one(host, description):
    changed = write_files(host, description)
    if description.verify:
        run(host, description.verify, "root")
    if changed:
        host.must("systemctl daemon-reload")
    for unit in description.units:
        switch(host, unit, changed)
    for action in description.actions:
        if not (action.unless and run(host, action.unless, action.user, must=False).ok):
            run(host, action.command, action.user)


def write_files(host, description):
    changed = set()
    for file in description.files:
        text = file.content.reveal() if isinstance(file.content, Secret) else file.content
        if host.run("cat", file.path).stdout == text:
            continue
        host.must("sh", "-c", 'mkdir -p "$(dirname "$1")"; cat > "$1"', "sh", file.path, stdin=text)
        host.must("chmod", f"{file.mode:o}", file.path)
        host.must("chown", f"{file.owner}:{file.group}", file.path)
        changed.add(file.path)
    return changed


def switch(host, unit, changed):
    if not unit.enabled:
        host.must("systemctl", "disable", "--now", unit.name)
        return
    host.must("systemctl", "enable", unit.name)
    if changed & set(unit.on):
        host.must("systemctl", "reload" if unit.reload else "restart", unit.name)
    elif unit.running:
        host.must("systemctl", "start", unit.name)


def run(host, command, user, *, must=True):
    words = command.argv if user == "root" else ("runuser", "-u", user, "--", *command.argv)
    line = f"cd {shlex.quote(command.cwd or '/')} && {shlex.join(words)}"
    result = host.run(line, timeout=command.timeout)
    assert result.ok or not must, f"{command}: {result.tail()}"
    return result


def undo(host, *descriptions):
    for action in reversed([action for d in descriptions for action in d.actions]):
        if action.undo:
            run(host, action.undo, action.user)
