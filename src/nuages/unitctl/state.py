"""What a server remembers of a site's generations, and where its things lie.

SITE/run/state.json        which generations there are and how far each came
SITE/run/web.sock          a link to the socket of the live generation: the only truth about which is live
SITE/run/generations/GEN/  spec.json, and for each process a start script and its variables
/run/nuages-NAME/GEN/      what the processes make while they run: sockets, proofs; gone after a reboot
"""

import contextlib
import fcntl
import json
import os
import stat
import time


STARTING, PROVED, FAILED, LIVE, DRAINING = "starting", "proved", "failed", "live", "draining"
RUNTIME = "/run"
MOST = 65536  # bytes that are read of a file which the site's own processes wrote


class RefusedError(Exception):
    def __init__(self, error, detail="", hint=""):
        super().__init__(error)
        self.answer = {"error": error, "detail": detail, "hint": hint}


class Site:
    def __init__(self, path):
        self.dir = os.path.abspath(path)
        self.name = os.path.basename(self.dir)
        self.run_dir = os.path.join(self.dir, "run")
        self.link = os.path.join(self.run_dir, "web.sock")
        self.runtime = os.path.join(RUNTIME, "nuages-" + self.name)

    def generation_dir(self, generation):
        return os.path.join(self.run_dir, "generations", generation)

    def socket(self, generation):
        return os.path.join(self.runtime, generation, "web.sock")

    def live(self):
        try:
            return os.path.basename(os.path.dirname(os.readlink(self.link)))
        except OSError:
            return None

    def go_live(self, generation):
        """One rename: whoever connects meets the old socket or the new one, and never none."""
        partial = self.link + ".partial"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        os.symlink(self.socket(generation), partial)
        os.replace(partial, self.link)

    def go_dark(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.link)

    def spec(self, generation):
        return read_json(os.path.join(self.generation_dir(generation), "spec.json"))

    def unstarted(self, kept):
        """Generations that were brought and never started: a deploy is about to, or was cut off."""
        try:
            names = os.listdir(os.path.join(self.run_dir, "generations"))
        except OSError:
            return []
        return sorted(name for name in names if "." not in name and name not in kept["generations"])

    def load(self):
        return {"schema": 1, "up": False, "listen": [], "generations": {}, **(read_json(self._state_file()) or {})}

    def save(self, kept):
        write_json(self._state_file(), kept)

    @contextlib.contextmanager
    def changing(self, timeout=60):
        """The state, alone with it; written back unless an exception left."""
        with hold_lock(os.path.join(self.run_dir, "ctl.lock"), timeout):
            kept = self.load()
            yield kept
            self.save(kept)

    def forget(self, generation):
        import shutil

        folder = self.generation_dir(generation)
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(os.path.dirname(folder)):
                if name.startswith(generation + ".") and os.path.islink(os.path.join(os.path.dirname(folder), name)):
                    os.unlink(os.path.join(os.path.dirname(folder), name))
        shutil.rmtree(folder, ignore_errors=True)

    def _state_file(self):
        return os.path.join(self.run_dir, "state.json")


def write_json(path, value, mode=0o600):
    write_text(path, json.dumps(value, sort_keys=True), mode)


def write_text(path, text, mode, group=-1):
    """Whole or not at all."""
    partial = "%s.%d.partial" % (path, os.getpid())
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # what a boot starts from must have outlived a power cut
    os.chown(partial, -1, group)
    os.chmod(partial, mode)
    os.replace(partial, path)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def hold_lock(path, timeout):
    """An exclusive lock that the kernel takes back when we die. Whoever may read the file could hold it: root alone may."""
    deadline = time.monotonic() + timeout
    with open(path, "a", opener=for_its_owner) as file:
        os.fchmod(file.fileno(), 0o600)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RefusedError("another change of this site is under way", path, "try again when it has ended") from None
                time.sleep(0.05)
        yield


def for_its_owner(path, flags):
    return os.open(path, flags, 0o600)


# --- folders that the site's own user owns: root follows no link there -------------------------------------------


@contextlib.contextmanager
def untrusted(*parts):
    """A descriptor of a folder below one that root owns. None where it is not there, or is no folder."""
    descriptor = None
    try:
        for part in parts:
            following = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            if descriptor is not None:
                os.close(descriptor)
            descriptor = following
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def read_untrusted(folder, name):
    """The JSON object in a plain file, or None: a pipe, a link or a huge file is no report."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            value = json.loads(file.read(MOST))
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def touch_untrusted(folder, name):
    with contextlib.suppress(FileExistsError):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder))
