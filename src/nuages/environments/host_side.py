"""Runs on a host, by the host's own Python 3.10+: an environment made of wheels, without pip, uv or internet.

A wheel is unpacked and compiled once, into `<venvs>/.wheels/<digest>-<series>`; environments are hard links to that, so a
change of one package costs one package. No code of a wheel runs here. Sent as a zip with the `installer` library.

The one argument is a file of JSON:
{"path": the environment, "version": "3.13.5", "python": "/usr/bin/python3.13", "group": who may read it, or "",
 "wheels": [{"name", "file", "sha256", "piece": where the file lies}; a source has more, see host_build], "hook": {name: content}, "lock": text, "jobs": n}
or, in place of wheels and lock, "adopt": see host_adopt.
"""

import compileall
import contextlib
import fcntl
import grp
import json
import os
import py_compile
import re
import shutil
import sys
import tempfile


SERIES = "{}.{}".format(*sys.version_info)
MARKER = "nuages-complete"
WHEELS = "nuages-wheels"  # which unpacked wheels an environment is made of
PLACEHOLDER = "/nuages-environment/bin/python"
MANY = 150  # modules of one wheel, from which on compiling in several processes pays for starting them


class Refused(Exception):  # noqa: N818
    """(what, detail, hint)"""


def main(spec):
    path = spec["path"]
    refuse_other_python(spec)
    os.umask(0o022)
    os.nice(10)  # a site may be served from this host meanwhile
    venvs = os.path.dirname(path)
    os.makedirs(venvs, exist_ok=True)
    with open(os.path.join(venvs, ".placing"), "w") as guard:
        os.fchmod(guard.fileno(), 0o600)  # who may read it may hold it
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not is_complete(path):
            make(spec, path, os.path.join(venvs, ".wheels"))
            sweep(venvs)
    if "adopt" in spec:
        import host_adopt

        host_adopt.take_build(spec)


def refuse_other_python(spec):
    have = ".".join(map(str, sys.version_info[:3]))
    if have != spec["version"]:
        raise Refused(f"Python here is {have}; the packages are for {spec['version']}", "", "deploy again")


def is_complete(path):
    return os.path.exists(os.path.join(path, MARKER)) and os.path.exists(os.path.join(path, "bin", "python"))


def make(spec, path, trees):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(trees, mode=0o700, exist_ok=True)
    if "adopt" in spec:
        import host_adopt

        host_adopt.take_trees(spec, host_adopt.read_environment(spec, MARKER, WHEELS), trees)
    names = [tree_name(wheel["sha256"]) for wheel in spec["wheels"]]
    missing = [w for w, name in zip(spec["wheels"], names, strict=True) if not os.path.isdir(os.path.join(trees, name))]
    for index, wheel in enumerate(missing):
        print(f"unpacking {wheel['file']}", flush=True)
        unpack(wheel, trees, spec.get("jobs", 1))
        forget_pieces(wheel, missing[index + 1 :])
    new_environment(spec, path)
    for name in names:
        link_tree(os.path.join(trees, name), path)
    for folder in site_folders(path):
        for name, content in spec["hook"].items():
            write(os.path.join(folder, name), content)
    write(os.path.join(path, WHEELS), "".join(f"{name}\n" for name in names), 0o644)
    if spec.get("group"):
        os.chown(path, 0, grp.getgrnam(spec["group"]).gr_gid)
    write(os.path.join(path, MARKER), spec["lock"], 0o600)  # a line may be a URL with a password


def tree_name(digest):
    return f"{digest}-{SERIES}"


def new_environment(spec, path):
    """The folders and links of a virtual environment; pip is not in it."""
    try:
        import venv
    except ImportError:
        raise Refused("this Python has no venv module", "", "sudo apt install python3") from None
    venv.EnvBuilder(symlinks=True, with_pip=False).create(path)
    os.chmod(path, 0o750 if spec.get("group") else 0o755)
    for name in ("activate.csh", "activate.fish", "Activate.ps1"):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(path, "bin", name))


def site_folders(path):
    yield os.path.join(path, "lib", f"python{SERIES}", "site-packages")


# --- one wheel -----------------------------------------------------------------------------------------------


def unpack(wheel, trees, jobs):
    """Whole or not at all."""
    final = os.path.join(trees, tree_name(wheel["sha256"]))
    partial = final + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    if "backend" in wheel:
        lay_out_source(wheel, partial, os.path.dirname(trees))
    else:
        lay_out(wheel["piece"], wheel["file"], wheel["name"], partial)
    compile_tree(next(site_folders(partial)), jobs)
    os.rename(partial, final)


def forget_pieces(wheel, later):
    """A piece goes once it is unpacked: the store needn't keep it twice. What a source further on is built with stays for it."""
    wanted = {each["piece"] for other in later for each in (other, *other.get("requires", ()))}
    for each in (wheel, *wheel.get("requires", ())):
        if each["piece"] not in wanted:
            with contextlib.suppress(OSError):
                os.unlink(each["piece"])


def lay_out(piece, file, name, prefix, python=PLACEHOLDER):
    """As `installer` does it, with scripts for this Python; returns the folder to import from."""
    from installer import install
    from installer.destinations import SchemeDictionaryDestination
    from installer.sources import WheelFile

    site = next(site_folders(prefix))
    os.makedirs(site, exist_ok=True)
    scheme = {"purelib": site, "platlib": site, "scripts": os.path.join(prefix, "bin"), "data": prefix}
    scheme["headers"] = os.path.join(prefix, "include", name)
    destination = SchemeDictionaryDestination(scheme, python, "posix", overwrite_existing=True)
    with tempfile.TemporaryDirectory() as scratch:
        named = os.path.join(scratch, file)  # `installer` reads name and version from the file's name
        os.symlink(piece, named)
        with WheelFile.open(named) as source:
            install(source, destination, {"INSTALLER": b"nuages\n"})
    return site


def lay_out_source(source, prefix, venvs):
    import host_build

    def install(wheel, place):
        return lay_out(wheel["piece"], wheel["file"], wheel["name"], place, os.path.realpath(sys.executable))

    # The account's own folders are closed to others, and the build is nobody's.
    with host_build.scratch_folder(os.path.dirname(os.path.dirname(venvs))) as scratch:
        try:
            wheel = host_build.build_wheel(source, scratch, install)
        except host_build.Refused as error:
            raise Refused(*error.args) from None
        lay_out(wheel, os.path.basename(wheel), source["name"], prefix)


def compile_tree(site, jobs):
    """`unchecked-hash`: what is installed never changes. Python puts an environment's own paths in when it loads a file."""
    modules = sum(name.endswith(".py") for _folder, _folders, names in os.walk(site) for name in names)
    compileall.compile_dir(
        site,
        quiet=2,
        workers=jobs if modules > MANY else 1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def link_tree(tree, path):
    for folder, _folders, names in os.walk(tree):
        target = os.path.normpath(os.path.join(path, os.path.relpath(folder, tree)))
        os.makedirs(target, exist_ok=True)
        scripts = target == os.path.join(path, "bin")
        for name in names:
            refuse_ours(os.path.relpath(os.path.join(target, name), path))
            if not (scripts and write_script(os.path.join(folder, name), os.path.join(target, name), path)):
                link(os.path.join(folder, name), os.path.join(target, name))


def refuse_ours(part):
    """Root may run an environment's Python, to compile: no package brings another one, or where that looks for its library."""
    if part == "pyvenv.cfg" or re.fullmatch(r"bin/python[0-9.]*", part):
        raise Refused(f"a package brings {part}, which is the environment's own", "", "leave that package out")


def write_script(source, target, path):
    """A script names the environment's Python in its first line, so each environment has its own."""
    head = ("#!" + PLACEHOLDER).encode()
    with open(source, "rb") as file:
        if file.read(len(head)) != head:
            return False
        rest = file.read()
    write(target, b"#!" + os.path.join(path, "bin", "python").encode() + rest, 0o755)
    return True


def link(source, target):
    try:
        os.link(source, target)
    except FileExistsError:  # two packages bring one file; the later one counts, as with other installers
        os.unlink(target)
        link(source, target)
    except OSError:  # a file system without hard links, or with too many of them
        shutil.copy2(source, target)


def write(path, content, mode=0o644):
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def sweep(venvs):
    """Unpacked wheels that no environment is made of any more."""
    used = set()
    for name in os.listdir(venvs):
        with contextlib.suppress(OSError), open(os.path.join(venvs, name, WHEELS), encoding="utf-8") as file:
            used.update(file.read().split())
    trees = os.path.join(venvs, ".wheels")
    for name in os.listdir(trees):
        if name not in used:
            shutil.rmtree(os.path.join(trees, name), ignore_errors=True)


def run(path):
    try:
        with open(path, encoding="utf-8") as file:
            spec = json.load(file)
        main(spec)
    except Refused as error:
        what, detail, hint = error.args
    except OSError as error:
        what = "the disk is full" if error.errno == 28 else f"can't write: {error.strerror}"
        detail, hint = str(error), "free some space and run the same command again" if error.errno == 28 else ""
    else:
        return 0
    print(json.dumps({"error": what, "detail": detail, "hint": hint}), flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
