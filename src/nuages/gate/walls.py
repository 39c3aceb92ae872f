"""The gate's own view of the machine, held by the kernel: all of it can be read only, but for the site's folder, and other
sites are not there. Whatever a request gets past the judgement of reading.py and writing.py meets this.

mount_setattr(2) is in Linux 5.12 and newer. Where the walls can't be raised, the gate stays shut.
"""

import ctypes
import os

from beneath import SCRATCH, Refused


NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
BIND, RECURSIVE, PRIVATE, NO_DEVICES, NO_SETUID = 0x1000, 0x4000, 1 << 18, 0x4, 0x2
HERE_FOLDER, TREE = -100, 0x8000  # AT_FDCWD, AT_RECURSIVE
READ_ONLY, WITHOUT_SETUID = 0x1, 0x2  # MOUNT_ATTR_*
MOUNT_SETATTR = 442
SECRETS = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-")
CLOSED = ("/root", "/var/lib/nuages/kept", "/var/lib/nuages/undo", "/var/backups")
EMPTY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - new ones, of this process
NEIGHBOURS = ("/srv", "/etc/nuages/certs")  # folders in which each site has its own


class Attributes(ctypes.Structure):
    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    ]


LIBC = ctypes.CDLL(None, use_errno=True)


def raise_round(told):
    try:
        _raise(told)
    except OSError as error:
        hint = "it needs Linux 5.12 or newer, and the right to mount"
        raise Refused("the gate can't be closed behind a deploy key: %s" % error, hint, person=False) from None


def _raise(told):
    _called(LIBC.unshare(NEW_MOUNTS), "unshare")
    _mount(None, "/", None, RECURSIVE | PRIVATE)
    writable = [told["dir"], "/run/nuages-" + told["site"], SCRATCH]
    os.makedirs(SCRATCH, mode=0o711, exist_ok=True)
    for folder in NEIGHBOURS:
        _alone(folder, os.path.join(folder, told["site"]), told["dir"] if folder == "/srv" else "")
    for path in SECRETS:
        if os.path.exists(path):
            _mount("/dev/null", path, None, BIND)
    for path in CLOSED:
        if os.path.isdir(path):
            _mount("tmpfs", path, "tmpfs", NO_DEVICES | NO_SETUID, "mode=0700,size=4k")
    for path in EMPTY:
        _mount("tmpfs", path, "tmpfs", NO_DEVICES | NO_SETUID, "mode=1777")
    for path in filter(os.path.isdir, writable):
        _mount(path, path, None, BIND | RECURSIVE)
    _attributes("/", READ_ONLY | WITHOUT_SETUID, 0)
    for path in (*filter(os.path.isdir, writable), *EMPTY):
        _attributes(path, 0, READ_ONLY)
    os.chdir("/")


def _alone(folder, own, _dir):
    """Of the folders in it only `own` is left."""
    if not os.path.isdir(folder):
        return
    held = os.open(own, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW) if os.path.isdir(own) else None
    _mount("tmpfs", folder, "tmpfs", NO_DEVICES | NO_SETUID, "mode=0755,size=64k")
    if held is not None:
        os.mkdir(own)
        _mount("/proc/self/fd/%d" % held, own, None, BIND | RECURSIVE)
        os.close(held)


def _mount(source, target, kind, flags, options=None):
    words = [word.encode() if word is not None else None for word in (source, target, kind)]
    _called(LIBC.mount(*words, ctypes.c_ulong(flags), options.encode() if options else None), target)


def _attributes(path, add, clear):
    wanted = Attributes(add, clear, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    done = LIBC.syscall(
        ctypes.c_long(MOUNT_SETATTR), ctypes.c_int(HERE_FOLDER), path.encode(), ctypes.c_uint(TREE), ctypes.byref(wanted), size
    )
    _called(done, path)


def _called(result, what):
    if result:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))
