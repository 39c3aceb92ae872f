"""An environment through the gate: what the note may say, and which Python and program root runs on it."""

import os
import re
import stat

from beneath import Refused, matching, number, only, text
from contents import DIGEST, VENV, parsed


NOTE = r"venvs/\.(%s)\.json" % VENV
PROGRAM = "environment"  # a folder beside this file that Python runs
PYTHONS = r"(/usr/bin|/usr/local/bin|/opt/[^/]+/bin|/opt/[^/]+/[^/]+/bin)/python3(\.[0-9]+)?"
FILE = r"[A-Za-z0-9_][A-Za-z0-9._+!-]{0,250}"
# As release/shipping.py has it (tested): root runs this text, and not one that is sent.
COMPILE = """\
import compileall, os, py_compile, sys
os.nice(10)
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for part in ("source", "runtime"):
    compileall.compile_dir(sys.argv[1] + "/" + part, quiet=2, workers=int(sys.argv[2]), invalidation_mode=mode,
                           stripdir=sys.argv[1], prependdir="/")
"""


def note(site, content, key):
    """Wheels by their digests from the site's own store, into the site's own environment, readable by its own account."""
    told = parsed(content, "the note of an environment")
    only(told, "path", "version", "python", "group", "wheels", "hook", "lock", "jobs")
    if told.get("path") != "%s/venvs/%s" % (site.dir, key) or told.get("group") not in ("", site.account):
        raise Refused("an environment of %s is in %s/venvs" % (site.name, site.dir), person=False, hint="")
    python(told.get("python"))
    matching(r"[0-9.]{1,20}", told.get("version"), "version")
    text(told.get("lock"), 16 << 20)
    number(told.get("jobs", 1), 1, 64)
    for name, content_ in (told.get("hook") or {}).items():
        matching(FILE, name, "file")
        text(content_)
    for wheel in told.get("wheels") or ():
        _wheel(site, wheel, told["version"])


def _wheel(site, wheel, version):
    matching(FILE, wheel.get("name"), "package")
    matching(FILE, wheel.get("file"), "wheel")
    digest = matching(DIGEST, wheel.get("sha256"), "digest")
    if wheel.get("piece") != "%s/%s/%s" % (site.store, digest[:2], digest):
        raise Refused("%.80s lies elsewhere than it should" % wheel["file"], person=False, hint="")
    if "backend" not in wheel and wheel["file"].endswith(".whl"):
        return
    series = ".".join(version.split(".")[:2])
    if not os.path.isdir("%s/venvs/.wheels/%s-%s" % (site.dir, digest, series)):
        raise Refused("%s is built on the server, as root" % wheel["file"])


def python(path):
    """One that root put there, for root to run."""
    matching(PYTHONS, path, "Python of this server")
    real = os.path.realpath(path)
    parts = real.split("/")
    for end in range(2, len(parts) + 1):
        info = os.stat("/".join(parts[:end]))
        if info.st_uid != 0 or stat.S_IMODE(info.st_mode) & 0o022:
            raise Refused("%s is not root's alone" % real, person=False, hint="")
    return path


def python_of(site, key):
    """The server's own of an environment's series: not the link in it, which a wheel may have replaced."""
    series = [name for name in os.listdir("%s/venvs/%s/lib" % (site.dir, key)) if re.fullmatch(r"python3\.[0-9]+", name)]
    for folder in ("/usr/bin", "/usr/local/bin", *_under_opt()):
        path = "%s/%s" % (folder, series[0] if series else "none")
        if os.path.exists(path):
            return python(path)
    raise Refused("this server has no Python for the environment %s" % key)


def _under_opt():
    import glob

    return sorted(glob.glob("/opt/*/bin") + glob.glob("/opt/*/*/bin"))
