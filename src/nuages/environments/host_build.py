"""Runs on a host, beside host_side.py: makes a wheel of what exists only as source, in a place that is thrown away.

The code of the source runs as `nobody`. Where there is no compiler, one is installed into layers over /usr, /etc and /var
that only this process sees (a mount namespace of its own): when it ends, however it ends, nothing is left of them.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile


NOBODY = 65534
PRIVATE_MOUNTS = 0x00020000  # CLONE_NEWNS of unshare(2)
LAYERS = ("usr", "etc", "var")
PREFIX = ".nuages-build-"
LONGEST = 1500  # seconds for one package
# A host without internet says so within seconds.
TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
APT = ("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20")
QUICKLY = {**TOOLS, "RES_OPTIONS": "timeout:2 attempts:1"}
# PEP 517, with the project's own folder as the current one.
HOOK = """\
import importlib, json, sys
spec = json.loads(sys.argv[1])
sys.path[:0] = spec["path"]
module, _, names = spec["backend"].partition(":")
backend = importlib.import_module(module)
for name in filter(None, names.split(".")):
    backend = getattr(backend, name)
print("built " + backend.build_wheel(spec["out"]))
"""


class Refused(Exception):  # noqa: N818
    """(what, detail, hint)"""


def build_wheel(source, scratch, install):
    """The path of the wheel. `source`: {"name", "file", "piece", "backend", "path", "requires": wheels, "apt": packages};
    `install(wheel, prefix)` lays a wheel out and returns the folder to import from."""
    os.chmod(scratch, 0o711)
    work = os.path.join(scratch, "build")
    tree = unpacked(source, os.path.join(work, "source"))
    prefix = os.path.join(work, "requires")
    imports = [install(wheel, prefix) for wheel in source["requires"]]
    out = os.path.join(work, "out")
    os.makedirs(out)
    for folder, _folders, names in os.walk(work):
        for path in [folder] + [os.path.join(folder, name) for name in names]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    root = "/" if has_compiler() else with_compiler(source, scratch)
    print(f"compiling {source['name']}", flush=True)
    spec = {"path": [os.path.join(tree, part) for part in source["path"]], "backend": source["backend"], "out": out}
    run_hook(spec, root, tree, imports[:1], prefix, source)
    found = [name for name in os.listdir(out) if name.endswith(".whl")]
    if not found:
        raise Refused(f"{source['name']} made no wheel", "", "")
    wheel = os.path.join(out, found[0])
    if root != "/":
        refuse_missing_libraries(wheel, source["name"], root, scratch)
    return wheel


def unpacked(source, folder):
    """The one folder that is in a source archive. Links and devices that lead elsewhere are refused."""
    os.makedirs(folder)
    if source["file"].endswith(".zip"):
        with zipfile.ZipFile(source["piece"]) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(source["piece"]) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:
                archive.extractall(folder, [m for m in archive if m.isfile() or m.isdir()])
    return os.path.join(folder, os.listdir(folder)[0])


def has_compiler():
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    return bool(shutil.which("cc", path=TOOLS["PATH"])) and os.path.exists(header)


def run_hook(spec, root, tree, imports, prefix, source):
    import json

    def drop():
        os.chroot(root)
        os.chdir(tree)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    env = {**TOOLS, "HOME": spec["out"], "TMPDIR": spec["out"], "PYTHONPATH": os.pathsep.join(imports)}
    env["PATH"] = os.path.join(prefix, "bin") + ":" + env["PATH"]
    # Not -I: the requirements are on PYTHONPATH.
    argv = [os.path.realpath(sys.executable), "-P" if sys.version_info >= (3, 11) else "-B", "-c", HOOK, json.dumps(spec)]
    try:
        done = subprocess.run(argv, env=env, preexec_fn=drop, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(f"{source['name']} took longer than {LONGEST} s to compile", "", "") from None
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        wrong = [line for line in said if "error" in line.lower() or "not found" in line.lower()]
        detail = "\n".join((wrong or said)[-4:])
        raise Refused(f"{source['name']} does not build on this host", detail, "a version with a wheel needs no compiler")


# --- a compiler for as long as it is needed -------------------------------------------------------------------


def with_compiler(source, scratch):
    """A root that has the packages which this build needs, in layers that end with this process."""
    packages = source["apt"]
    hint = f"sudo apt install {' '.join(packages)} on the server for this deploy; or a version that has a wheel"
    try:
        root = layered_root(scratch)
    except OSError as error:
        what = f"{source['name']} has no wheel for this host, and there is no compiler"
        raise Refused(what, f"a throw-away place could not be made: {error}", hint) from None
    print(f"installing {' '.join(packages)} for this build only", flush=True)
    install = [*APT, "install", "--yes", "--no-install-recommends", *packages]
    said = ""
    for argv in (install, [*APT, "update", "--error-on=any"], install):
        done = subprocess.run(["chroot", root, *argv], env=QUICKLY, capture_output=True, timeout=LONGEST, check=False)
        said = done.stderr.decode("utf-8", "replace")
        if argv is install and not done.returncode:
            return root
        if argv is not install and done.returncode:
            break
    what = f"{source['name']} has no wheel for this host, and a compiler could not be installed for the build"
    raise Refused(what, "\n".join(said.splitlines()[-3:]), hint)


def refuse_missing_libraries(wheel, name, root, scratch):
    """A library that the build had and the host has not: the wheel would install, and fail when it is imported."""
    folder = tempfile.mkdtemp(prefix="libraries-", dir=scratch)
    with zipfile.ZipFile(wheel) as archive:
        modules = [archive.extract(each, folder) for each in archive.namelist() if each.endswith(".so")]
    os.chmod(folder, 0o755)
    lacking = set()
    for module in modules:
        os.chmod(module, 0o755)
        done = subprocess.run(["chroot", root, "objdump", "-p", module], env=TOOLS, capture_output=True, check=False)
        needed = [
            line.split()[1] for line in done.stdout.decode("utf-8", "replace").splitlines() if line.split()[:1] == ["NEEDED"]
        ]
        lacking.update(each for each in needed if not library(each, "/"))
    packages = sorted({owner(library(each, root), root) for each in lacking} - {""})
    if lacking:
        what = f"{name} needs {', '.join(sorted(lacking))}, which is not on this host"
        raise Refused(what, "", f"sudo apt install {' '.join(packages)}" if packages else "")


def library(name, root):
    """Where the loader of this root finds it; "" where it doesn't. A module's own libraries are found beside it."""
    listed = subprocess.run(["chroot", root, "ldconfig", "-p"], env=TOOLS, capture_output=True, check=False).stdout.decode()
    return next((line.rpartition(" => ")[2] for line in listed.splitlines() if line.split()[:1] == [name]), "")


def owner(path, root):
    """The system package that brought a file; it may be named by the place that /lib leads to, or by /lib."""
    for each in (path, path.removeprefix("/usr"), os.path.realpath(os.path.join(root, path.lstrip("/"))).removeprefix(root)):
        done = subprocess.run(["chroot", root, "dpkg-query", "-S", each], env=TOOLS, capture_output=True, check=False)
        if each and not done.returncode:
            return done.stdout.decode().split(":")[0]
    return ""


def layered_root(scratch):
    private_mounts()
    root = os.path.join(scratch, "root")
    upper = os.path.join(scratch, "layers")
    os.makedirs(root)
    os.makedirs(upper)
    mount("--bind", "/", root)
    try:
        lay_over(root, upper)
    except OSError:  # overlayfs takes no upper layer on such a file system
        mount("-t", "tmpfs", "-o", "mode=0755", "nuages-build", upper)
        lay_over(root, upper)
    mount("-t", "proc", "proc", os.path.join(root, "proc"))
    mount("--bind", "/dev", os.path.join(root, "dev"))
    mount("-t", "tmpfs", "-o", "mode=1777", "nuages-build", os.path.join(root, "tmp"))
    mount("--bind", scratch, os.path.join(root, scratch.lstrip("/")))
    # No service of a package is started in here.
    with open(os.path.join(root, "usr/sbin/policy-rc.d"), "w") as file:
        file.write("#!/bin/sh\nexit 101\n")
    os.chmod(os.path.join(root, "usr/sbin/policy-rc.d"), 0o755)
    return root


def lay_over(root, upper):
    for part in LAYERS:
        folders = [os.path.join(upper, part, kind) for kind in ("changed", "work")]
        for folder in folders:
            os.makedirs(folder, exist_ok=True)
        os.chmod(folders[0], 0o755)
        options = f"lowerdir=/{part},upperdir={folders[0]},workdir={folders[1]}"
        mount("-t", "overlay", "-o", options, "nuages-build", os.path.join(root, part))


def private_mounts():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(PRIVATE_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
    mount("--make-rprivate", "/")


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], env=TOOLS, capture_output=True, check=False)
    if done.returncode:
        raise OSError(done.returncode, done.stderr.decode("utf-8", "replace").strip() or "mount failed")


@contextlib.contextmanager
def scratch_folder(beside):
    """Under none of the layers. What a killed build left is removed; its mounts ended with it."""
    for name in os.listdir(beside):
        if name.startswith(PREFIX):
            shutil.rmtree(os.path.join(beside, name), ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=beside)
    try:
        yield folder
    finally:
        for name in ("root", "layers"):  # what is mounted in there must not be walked into
            with contextlib.suppress(OSError):
                subprocess.run(["umount", "-R", "-l", os.path.join(folder, name)], env=TOOLS, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
