"""What a generation is started from: one script and one file of variables for each process, readable by people."""

import os
import re
import shlex

from state import RefusedError, read_json, write_text


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
PROCESS = re.compile(r"[A-Za-z0-9_-]+\Z")
SPECIAL = re.compile(r'(["\\`$])')
HEAD = """\
#!/bin/sh
# Written by Nuages for the site %(site)s: %(what)s.
# Its variables are in %(env)s. A new deploy writes others; to change it, edit nuages.toml or `nuages config`.
"""
FAREWELL = """\
#!/bin/sh
# Written by Nuages: before %(name)s is told to end, its websockets are told to come back, and a proxy that has looked up
# where to connect a moment ago may still do so. Not where it has ended by itself, or was never proved.
[ -n "$MAINPID" ] && [ -e "$NUAGES_PROOF/go" ] || exit 0
touch "$NUAGES_RUNTIME/draining"
sleep %(seconds)g
"""
GRACE = 1.0
WEBSOCKETS = 6.0  # they leave within 4.5 seconds: runtime/websockets.py


def unit_of(site, process, generation, index=0):
    return "%s-%s@%s.service" % (site, process, generation if index == 0 else "%s.%d" % (generation, index))


def instances(spec):
    return int(spec.get("instances", 1))


def write_generation(site, generation, spec, group):
    """The scripts may be run by the site's user and changed by nobody but root; the variables root alone can read."""
    folder = site.generation_dir(generation)
    os.chmod(os.path.join(folder, "spec.json"), 0o600)
    os.chmod(folder, 0o711)  # noqa: S103 - systemd and the site's user pass through
    for process in spec["processes"]:
        name = process["name"]
        if not PROCESS.match(name):
            raise RefusedError("%r can't name a process" % name)
        own = {"NUAGES_GENERATION": generation}
        if process["kind"] == "web":
            runtime = os.path.join(site.runtime, generation)
            own.update(NUAGES_SOCKET=site.socket(generation), NUAGES_RUNTIME=runtime, NUAGES_PROOF=os.path.join(runtime, "proof"))
            write_farewell(folder, name, process, group)
        write_process(folder, name, process, own, "%s of %s" % (name, generation), group, site)
        for index in range(1, instances(process)):  # %i of its unit names a folder
            link = "%s.%d" % (folder, index)
            if not os.path.islink(link):
                os.symlink(generation, link)


def write_process(folder, name, process, own, what, group, site):
    env = os.path.join(folder, name + ".env")
    write_text(env, variables({**process["env"], **own}), 0o600)
    argv = [word.replace("{socket}", own.get("NUAGES_SOCKET", "")) for word in process["argv"]]
    lines = [HEAD % {"site": site.name, "what": what, "env": env}]
    if own.get("NUAGES_SOCKET"):  # one that was killed leaves its socket, and none can be bound there again
        lines.append('rm -f "$NUAGES_SOCKET" && mkdir -p "$NUAGES_PROOF" || exit 1\n')
    lines.append("cd %s || exit 1\n" % shlex.quote(process["cwd"]))
    lines.append("exec %s\n" % shlex.join(argv))
    write_text(os.path.join(folder, name), "".join(lines), 0o750, group)


def write_farewell(folder, name, process, group):
    """Run before a web process is told to end, while it still answers (ExecStop of systemd.service(5))."""
    policy = read_json(os.path.join(process["env"].get("NUAGES_RELEASE", ""), "policy.json")) or {}
    seconds = WEBSOCKETS if policy.get("interface") == "asgi" else GRACE
    write_text(os.path.join(folder, name + ".stop"), FAREWELL % {"name": name, "seconds": seconds}, 0o750, group)


def variables(values):
    r"""The text of an EnvironmentFile, by the rules of systemd.exec(5): in double quotes only " \ ` and $ are escaped,
    a newline stands for itself and nothing is expanded. Raises RefusedError for what systemd would leave out."""
    lines = []
    for name, value in sorted((name, str(value)) for name, value in values.items()):
        if not NAME.match(name):
            raise RefusedError("systemd can't pass on a variable called %r" % name, hint="use letters, digits and _ in its name")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise RefusedError("the variable %s is not UTF-8, which systemd can't pass on" % name) from None
        if "\0" in value:
            raise RefusedError("the variable %s holds a NUL byte" % name)
        lines.append('%s="%s"\n' % (name, SPECIAL.sub(r"\\\1", value)))
    return "".join(lines)
