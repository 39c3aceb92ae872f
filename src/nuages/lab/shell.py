"""Commands on the outer machine. Only this file of the lab starts those that end; hosts are started by `machine`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

from nuages.errors import CommandError
from nuages.hosts.command import Result


def tried(*argv: str, stdin: str = "", timeout: float = 120, env: dict[str, str] | None = None) -> Result:
    """How the command ended; a program that is not there or never ends is a failure as any other."""
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", env=env, start_new_session=True
        )
    except OSError as error:
        return Result(127, "", str(error))
    try:
        out, err = child.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # all of them: one that is left would hold the pipes open
        out, err = child.communicate()
        return Result(124, out, f"{err}took longer than {timeout:g} s")
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    return Result(child.returncode, out, err)


def must(*argv: str, stdin: str = "", timeout: float = 120, env: dict[str, str] | None = None) -> str:
    result = tried(*argv, stdin=stdin, timeout=timeout, env=env)
    if not result.ok:
        raise CommandError(f"{argv[0]} ended with {result.status}", where="lab", detail=f"{' '.join(argv)}\n{result.tail(12)}")
    return result.stdout


def unmount_below(folder: str) -> None:
    """All that is mounted in a folder, what came last first. Before a folder is emptied: it may hold a part of this machine."""
    mounted = [line.split()[1] for line in read("/proc/mounts").splitlines()]
    for path in reversed([path for path in mounted if path == folder or path.startswith(folder + "/")]):
        must("umount", "--lazy", path)


def empty(folder: str) -> None:
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str, mode: int = 0o644) -> None:
    """In place at once, so that a reader never sees half of it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{path}.{os.getpid()}.partial"
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    os.replace(partial, path)
