"""Descriptions carried out on a lab host in the order of the contract, in a few lines: for trying one component alone."""

from __future__ import annotations

import json
import shlex

from nuages.secret import Secret


def carry_out(host, *descriptions):
    """`host` has run(script or argv) and must(...). Everything is written; `of_package` counts as installed by us."""
    for description in (d for d in descriptions if d.early):
        write_files(host, description)
    packages = sorted({name for d in descriptions for name in d.packages})
    if packages:
        install = "apt-get install -y -q --no-install-recommends"
        there = f"dpkg-query -W -f '${{db:Status-Status}}\\n' {' '.join(packages)} 2>/dev/null | grep -cx installed"
        if host.run(there).stdout.strip() != str(len(packages)):
            host.must(f"DEBIAN_FRONTEND=noninteractive {install} {' '.join(packages)}", timeout=600)
    for description in descriptions:
        one(host, description)


def one(host, description):
    changed = write_files(host, description)
    if description.verify:
        run(host, description.verify, "root")
    if changed:
        host.must("systemctl daemon-reload")
    if description.units:
        host.must(" && ".join(switched(unit, changed) for unit in description.units))
    for action in description.actions:
        if not (action.unless and run(host, action.unless, action.user, must=False).ok):
            run(host, action.command, action.user)


WRITE = """
import grp, json, os, pwd, sys
d, changed = json.load(sys.stdin), []
def own(path, mode, owner, group):
    os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
    os.chmod(path, mode)
for path, *manners in d["directories"]:
    os.makedirs(path, exist_ok=True)
    own(path, *manners)
for path in d["absent"]:
    if os.path.lexists(path): os.unlink(path)
for path, once, text, *manners in d["files"]:
    if os.path.exists(path) and (once or open(path).read() == text): continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file: file.write(text)
    own(path, *manners)
    changed.append(path)
for path, target in d["links"]:
    if os.path.islink(path) and os.readlink(path) == target: continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path): os.unlink(path)
    os.symlink(target, path)
    changed.append(path)
print(json.dumps(changed))
"""


def write_files(host, description):
    """Folders, files and links as described; which of them changed."""
    wanted = {
        "directories": [(d.path, d.mode, d.owner, d.group) for d in description.directories],
        "absent": description.absent,
        "files": [(f.path, f.once, revealed(f.content), f.mode, f.owner, f.group) for f in description.files],
        "links": [(link.path, link.target) for link in description.links],
    }
    return set(json.loads(host.must("python3", "-c", WRITE, stdin=json.dumps(wanted))))


def revealed(content):
    return content.reveal() if isinstance(content, Secret) else content


def switched(unit, changed):
    """A line of shell; what stands as it should is not touched."""
    name = unit.name
    if not unit.enabled:
        return f"systemctl disable --now {name}"
    now = f"systemctl is-active -q {name} || systemctl start {name}" if unit.running else "true"
    if changed & set(unit.on):
        now = f"systemctl {'reload' if unit.reload else 'restart'} {name}"
    return f"{{ systemctl is-enabled -q {name} 2>/dev/null || systemctl enable {name}; }} && {{ {now}; }}"


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
