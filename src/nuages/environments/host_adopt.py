"""Runs on a host, beside host_side: a build and its environment from where another site of the same project has them.

Nothing is built: files are hard links where both lie on one file system, copies elsewhere. What differs between two sites
is where links and scripts lead to, and the path of the environment in the manifest.

`spec["adopt"]`: {"venv": the other environment, "trees": its unpacked wheels, "build": the other build, "to": where ours
will lie, "sites": [the other site's folder as links name it, ours]}
"""

import json
import os
import shutil


MANIFEST = "manifest.json"


def read_environment(spec, marker, wheels):
    """What an environment is made of lies in it: its wheels by name, and the text of its lock."""
    venv = spec["adopt"]["venv"]
    with open(os.path.join(venv, wheels), encoding="utf-8") as file:
        names = file.read().split()
    with open(os.path.join(venv, marker), encoding="utf-8") as file:
        spec["lock"] = file.read()
    spec["wheels"] = [{"sha256": name.rpartition("-")[0], "file": name} for name in names]
    return names


def take_trees(spec, names, trees):
    for name in names:
        final = os.path.join(trees, name)
        if not os.path.isdir(final):
            copy_tree(os.path.join(spec["adopt"]["trees"], name), final, {})


def take_build(spec):
    adopt = spec["adopt"]
    to = adopt["to"]
    if os.path.isdir(to):
        return
    copy_tree(adopt["build"], to, dict([adopt["sites"]]), lambda partial: write_manifest(partial, spec["path"]))


def write_manifest(folder, environment):
    path = os.path.join(folder, MANIFEST)
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    manifest["environment"] = environment
    os.unlink(path)  # it may be a hard link to the other's
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, sort_keys=True)


def copy_tree(source, final, moves, finish=None):
    """Whole or not at all. `moves`: links that lead below a key lead below its value."""
    partial = final + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    for folder, folders, names in os.walk(source):
        target = os.path.normpath(os.path.join(partial, os.path.relpath(folder, source)))
        os.makedirs(target)
        os.chmod(target, os.stat(folder).st_mode & 0o777)
        for name in names + [each for each in folders if os.path.islink(os.path.join(folder, each))]:
            copy(os.path.join(folder, name), os.path.join(target, name), moves)
    if finish:
        finish(partial)
    os.rename(partial, final)


def copy(source, target, moves):
    if os.path.islink(source):
        os.symlink(moved(os.readlink(source), moves), target)
        return
    try:
        os.link(source, target)
    except OSError:  # another file system, or too many links
        shutil.copy2(source, target)


def moved(link, moves):
    for old, new in moves.items():
        if link.startswith(old + "/"):
            return new + link[len(old) :]
    return link
