"""A Debian image: what a fresh VPS is like, built once by debootstrap, never written to again by a host."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence

from nuages.errors import UsageError
from nuages.lab import outer, store
from nuages.lab.shell import empty, must, read, tried, write


PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3,sudo,iproute2,nftables,ca-certificates"
CHROOT_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8", "HOME": "/root"}
# apt's daily timers would take dpkg's lock at a moment of their own choosing.
QUIET = ("apt-daily.timer", "apt-daily-upgrade.timer")
SHARE = """\
// Nuages' lab: what one host fetched, the next one finds.
APT::Keep-Downloaded-Packages "true";
Binary::apt::APT::Keep-Downloaded-Packages "true";
DPkg::Post-Invoke { "if [ -x /usr/local/sbin/lab-share-debs ]; then /usr/local/sbin/lab-share-debs || true; fi"; };
"""
SHARE_PROGRAM = """\
#!/bin/sh
# Copies fetched packages to the folder that all hosts of the lab see; under another name first, so none sees half.
cd /var/cache/apt/archives && [ -d /var/cache/nuages-lab/debs ] || exit 0
for deb in *.deb; do
  [ -f "$deb" ] && [ ! -e "/var/cache/nuages-lab/debs/$deb" ] || continue
  cp "$deb" "/var/cache/nuages-lab/debs/.$deb.$$" && mv "/var/cache/nuages-lab/debs/.$deb.$$" "/var/cache/nuages-lab/debs/$deb"
done
"""


def ensure(version: str, say: Callable[[str], None] = lambda line: None) -> str:
    """The image's folder; built when it is not there. Whoever comes second waits for the first."""
    if version not in outer.SUITES:
        raise UsageError(f"no image {version!r}", hint=f"--image takes {' or '.join(outer.SUITES)} (Debian)")
    path = store.image(version)
    with store.locked(f"image-{version}"):
        if not os.path.isdir(path):
            say(f"building the image of Debian {version} (once, about a minute)")
            build(version, path)
    return path


def build(version: str, path: str) -> None:
    partial = path + ".partial"  # a build that was killed leaves only this
    empty(partial)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    suite, where = outer.SUITES[version], outer.mirrors(_sources())
    cached = store.folder("cache", f"bootstrap-{version}")
    must(
        "debootstrap",
        "--variant=minbase",
        f"--cache-dir={cached}",
        f"--include={PACKAGES}",
        suite,
        partial,
        where.main,
        timeout=1800,
    )
    furnish(partial, suite, where)
    os.rename(partial, path)


def furnish(root: str, suite: str, where: outer.Mirrors) -> None:
    """Accounts, the outer machine's ways to packages, and lists of packages that are there at once."""
    write_settings(root, suite, where)
    write_accounts(root)
    for command in (
        ("update-ca-certificates",),
        ("apt-get", "update", "-q"),
        ("apt-get", "clean"),
        ("systemctl", "disable", *QUIET),
    ):
        must("chroot", root, *command, env=CHROOT_ENV, timeout=600)
    for key in glob.glob(f"{root}/etc/ssh/ssh_host_*"):
        os.unlink(key)  # each host gets keys of its own
    for name in ("etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/resolv.conf"):
        if os.path.lexists(f"{root}/{name}"):
            os.unlink(f"{root}/{name}")


def fetch(version: str, packages: Sequence[str]) -> None:
    """Into the shared cache: these packages and what they need, by the lists of the image."""
    ensure(version)
    debs = store.folder("cache", f"debs-{version}", "var/cache/apt/archives")
    with store.locked(f"image-{version}"), _over(store.image(version)) as root:
        write(f"{root}/etc/resolv.conf", resolv_conf())
        command = ("apt-get", "install", "--download-only", "-q", "-y", *packages)
        must("chroot", root, *command, env=CHROOT_ENV, timeout=1800)
        for deb in glob.glob(f"{root}/var/cache/apt/archives/*.deb"):
            shutil.copy(deb, f"{debs}/.fetching")
            os.replace(f"{debs}/.fetching", f"{debs}/{os.path.basename(deb)}")


@contextlib.contextmanager
def _over(root: str) -> Iterator[str]:
    """The image with a layer over it that is thrown away; what a killed one left goes first."""
    scratch = f"{root}.fetching"
    empty(scratch)
    upper, work, merged = (f"{scratch}/{name}" for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        os.makedirs(path)
    must("mount", "-t", "overlay", "nuages-lab", "-o", f"lowerdir={root},upperdir={upper},workdir={work}", merged)
    try:
        yield merged
    finally:
        empty(scratch)


def remove(version: str) -> None:
    """The image and the packages kept for it; not while a host stands on it."""
    standing = [f"{lab.name}/{host.name}" for lab in store.labs() for host in store.hosts(lab.name) if host.image == version]
    if standing:
        raise UsageError(f"the image is in use by {', '.join(standing)}", hint="nuages lab down")
    with store.locked(f"image-{version}"):
        image, kept = store.image(version), [f"{store.base()}/cache/{kind}-{version}" for kind in ("debs", "bootstrap")]
        for path in (image, f"{image}.partial", f"{image}.fetching", *kept):
            empty(path)


def describe() -> list[str]:
    built = [version for version in outer.SUITES if os.path.isdir(store.image(version))]
    cached = {v: glob.glob(f"{store.base()}/cache/debs-{v}/var/cache/apt/archives/*.deb") for v in built}
    return [f"Debian {version}: {len(cached[version])} packages kept" for version in built] or ["no image is built"]


def write_settings(root: str, suite: str, where: outer.Mirrors) -> None:
    shutil.rmtree(f"{root}/etc/apt/sources.list", ignore_errors=True)
    if os.path.exists(f"{root}/etc/apt/sources.list"):
        os.unlink(f"{root}/etc/apt/sources.list")
    write(f"{root}/etc/apt/sources.list.d/debian.sources", outer.apt_sources(suite, where))
    write(f"{root}/etc/apt/apt.conf.d/90lab", outer.apt_settings(tried("apt-config", "dump").stdout) + SHARE)
    write(f"{root}/usr/local/sbin/lab-share-debs", SHARE_PROGRAM, 0o755)
    write(f"{root}/etc/pip.conf", outer.pip_settings(_pip_files(), os.environ))
    write(f"{root}/etc/environment", outer.environment(os.environ))
    write(f"{root}/etc/resolv.conf", resolv_conf())
    for certificate in glob.glob("/usr/local/share/ca-certificates/**/*.crt", recursive=True):
        shutil.copy(certificate, f"{root}/usr/local/share/ca-certificates/")
    cached = "/var/cache/nuages-lab"
    write(f"{root}/root/.config/pip/pip.conf", f"[global]\ncache-dir = {cached}/pip\n")
    write(f"{root}/root/.config/uv/uv.toml", f'cache-dir = "{cached}/uv"\nlink-mode = "copy"\n')


def write_accounts(root: str) -> None:
    """root by key as on most servers; admin, whose sudo asks for nothing; ops, whose sudo asks for the password "ops"."""
    key = read(store.public_key())
    for name in ("admin", "ops"):
        must("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", name, env=CHROOT_ENV)
    must("chroot", root, "chpasswd", stdin="ops:ops\n", env=CHROOT_ENV)
    write(f"{root}/etc/sudoers.d/admin", "admin ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    for home in ("root", "home/admin", "home/ops"):
        write(f"{root}/{home}/.ssh/authorized_keys", key, 0o600)
        owner = os.stat(f"{root}/{home}")
        for path in (f"{root}/{home}/.ssh", f"{root}/{home}/.ssh/authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)
        os.chmod(f"{root}/{home}/.ssh", 0o700)


def resolv_conf() -> str:
    text = outer.resolvers(read("/etc/resolv.conf"))
    return text if "nameserver" in text else outer.resolvers(read("/run/systemd/resolve/resolv.conf"))


def _sources() -> Iterable[str]:
    names = [*sorted(glob.glob("/etc/apt/sources.list.d/*.sources")), *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]
    return [read(name) for name in ("/etc/apt/sources.list", *names)]


def _pip_files() -> Iterable[str]:
    home = os.path.expanduser("~")
    return [read(name) for name in ("/etc/pip.conf", f"{home}/.pip/pip.conf", f"{home}/.config/pip/pip.conf")]
