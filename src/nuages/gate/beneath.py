"""The one site that a key may reach, paths inside it, and what is refused. Root follows no link of anybody else's here."""

import contextlib
import json
import os
import pwd
import re
import stat

from agent import StepFailed


PERSON = "a person with root on the server has to: nuages deploy"
LARGEST = 64 << 20  # bytes of a file that is read whole
SCRATCH = "/var/lib/nuages/scratch"


class Refused(StepFailed):
    """What a deploy key may not do; `person`: somebody with root may."""

    def __init__(self, what, hint=PERSON, person=True):
        super().__init__(what, "", hint)
        self.person = person


class Site:
    """`label` is how locks, journals and the audit log name the key."""

    def __init__(self, told, key):
        self.name, self.account, self.dir, self.key = told["site"], told["account"], told["dir"], key
        self.label = "deploy key " + key
        self.root = "/"  # another folder in its place, for tests
        self.store = self.dir + "/store"
        self.lock = self.dir + "/lock.json"
        self.journal = self.dir + "/journal.jsonl"
        self.static = self.dir + "/shared/static"
        self.ctl = self.dir + "/keeper/current/ctl.py"

    def part(self, path):
        """A path below the site's folder, as it is named there. Raises Refused."""
        if not isinstance(path, str) or not path.startswith(self.dir + "/") or "\0" in path or os.path.normpath(path) != path:
            raise Refused("a deploy key of %s has no business with %s" % (self.name, _short(path)), person=False, hint="")
        return path[len(self.dir) + 1 :]

    def fits(self, path, *patterns):
        """Is it one of these, below the site's folder? Raises Refused, for what else there is no reason to ask."""
        part = self.part(path)
        if not any(re.fullmatch(pattern, part) for pattern in patterns):
            raise Refused("a deploy key has no business with %s" % _short(path))
        return part

    def holder(self):
        """Whose the lock is now, where it is this key's; else {}."""
        found = _read(self.dir, "lock.json") or {}
        mine = (found.get("owner") or {}).get("user") == self.label
        return found if mine else {}

    def uid(self):
        return pwd.getpwnam(self.account).pw_uid


def _short(path):
    return str(path)[:200]


def text(value, longest=1 << 16):
    if not isinstance(value, str) or len(value) > longest or "\0" in value:
        raise Refused("the gate does not understand %.60r" % (value,), person=False, hint="")
    return value


def line(value, longest=2000):
    """Something that a person will read on a terminal."""
    text(value, longest)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", value):
        raise Refused("%.60r is no line of text" % (value,), person=False, hint="")
    return value


def matching(pattern, value, what):
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise Refused("%.60r is no %s" % (value, what), person=False, hint="")
    return value


def number(value, least=0, most=1 << 40):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise Refused("%.40r is no number from %d to %d" % (value, least, most), person=False, hint="")
    return value


def only(told, *names):
    """Nothing but these is named in it."""
    more = set(told) - set(names)
    if more:
        raise Refused("a deploy key may not say %s here" % ", ".join(sorted(map(_short, more))), person=False, hint="")


# --- folders, one after another, by their descriptors ----------------------------------------------------------


@contextlib.contextmanager
def opened(base, part, flags=os.O_RDONLY):
    """A file below a folder, no link on the way and none at the end. OSError where it is not so."""
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        *parents, name = part.split("/")
        for parent in parents:
            following = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = following
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _read(base, part):
    """The JSON in a plain file, None where there is none."""
    try:
        with opened(base, part) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return json.loads(file.read(LARGEST))
    except OSError:
        return None
    except ValueError as error:
        return {"unreadable": "%s/%s: %s" % (base, part, error)}


def read_plain(site, part):
    return _read(site.dir, part)


def read_scratch(site, path):
    """Of a folder that belongs to the account: what its code puts there may be a link to anything."""
    folder, _slash, part = path[len(SCRATCH) + 1 :].partition("/")
    if (
        not path.startswith(SCRATCH + "/")
        or not re.fullmatch(r"nuages-[a-z0-9_]+", folder)
        or ".." in part.split("/")
        or not part
    ):
        raise Refused("a deploy key has no business with %s" % _short(path), person=False, hint="")
    return _read(own_scratch(site, folder), part)


def own_scratch(site, folder):
    path = os.path.join(SCRATCH, folder)
    try:
        info = os.lstat(path)
    except OSError:
        raise Refused("there is no %s" % path, person=False, hint="") from None
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != site.uid():
        raise Refused("%s is not of this site" % path, person=False, hint="")
    return path


def firm(site, part):
    """Every folder on the way to what will be written belongs to root alone, and is no link. What is not there yet, root makes."""
    path = site.dir
    for name in ["", *part.split("/")[:-1]]:
        path = os.path.join(path, name) if name else path
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o022:
            raise Refused("%s is not root's alone" % path, person=False, hint="somebody with root should look at it")
