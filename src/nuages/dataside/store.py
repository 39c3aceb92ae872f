"""Where backups go: a repository of restic, its key, and what its errors mean.

`key.json` (0600, root's) is everything that a restore needs beside the repository: where it is, its password, and how to get
in (an SSH key of its own with the known host, or variables such as AWS_ACCESS_KEY_ID). The same file is kept off the server.
"""

import contextlib
import json
import os
import re
import secrets
import subprocess
import time

from refusal import RefusedError, run, start, tail


KINDS = ("s3:", "sftp:", "b2:", "azure:", "gs:", "swift:", "rest:", "rclone:")
FIRST = 60  # seconds for an answer at first contact
ROOM = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
UNREACHED = re.compile(
    r"connection refused|timed out|no route to host|could not resolve|no such host|network is unreachable|unexpected eof|"
    r"broken pipe|connection reset|connection closed|ssh command exited|unable to start the sftp session|dial tcp|use of closed",
    re.IGNORECASE,
)
REFUSED = re.compile(
    r"permission denied|access denied|InvalidAccessKeyId|SignatureDoesNotMatch|forbidden|authentication failed|no credentials found|"
    r"access key id you provided|signature we calculated",
    re.IGNORECASE,
)
MISSING = re.compile(
    r"is there a repository at the following location|config file does not exist|repository does not exist", re.IGNORECASE
)
FULL = re.compile(r"no space left|disk quota|quota exceeded|XMinioStorageFull|failure.*sftp.*ssh_fx_failure", re.IGNORECASE)
NO_KEY = re.compile(r"wrong password|no key found|ciphertext verification failed", re.IGNORECASE)


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RefusedError("this file is damaged", "%s: %s" % (path, error)) from None


def write(path, value):
    partial = path + ".partial"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def repository(config):
    """A folder of the site's own, so that several sites and environments may share what `to` names."""
    to = config.get("to") or ""
    return to.rstrip("/") + "/" + config["site"] if to else os.path.join(config["dir"], "backups", "repository")


def is_here(place):
    return not place.startswith(KINDS)


class Store:
    """The repository of a site. `config` has site, dir and to; `key` counts in place of the file (on a new server)."""

    def __init__(self, config, key=None):
        self.config, self.folder = config, os.path.join(config["dir"], "backups")
        self.given = key
        self.ssh = "ssh-given" if key and os.path.exists(self._path("key.json")) else "ssh"  # beside the host's own
        self.known = key or read(self._path("key.json"))
        self.place = repository(config) if config.get("to") or not key else key["repository"]

    def _path(self, name):
        return os.path.join(self.folder, name)

    # --- its key ---------------------------------------------------------------------------------------------

    def key(self):
        """Made where there is none; one that was given stays, on a server that had none. A key that is there is never replaced by
        another: the backups that it opens would be lost with it."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if self.known is None:
            self.known = {"format": 1, "site": self.config["site"], "password": secrets.token_urlsafe(32), "environment": {}}
        before = json.dumps(self.known)
        if self.place.startswith("sftp:") and not self.known.get("ssh_key"):
            self.known.update(self._ssh_key())
        self.known["repository"] = self.place
        lies = os.path.exists(self._path("key.json"))
        if not lies or (not self.given and json.dumps(self.known) != before):
            write(self._path("key.json"), self.known)
        return self.known

    def _ssh_key(self):
        folder = self._ssh_folder()
        path = os.path.join(folder, "id_ed25519")
        if not os.path.exists(path):
            whose = "nuages-backup-%s@%s" % (self.config["site"], os.uname().nodename)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", whose, "-f", path])
        with open(path, encoding="ascii") as private, open(path + ".pub", encoding="ascii") as public:
            return {"ssh_key": private.read(), "ssh_public": public.read().strip()}

    def _ssh_folder(self):
        folder = self._path(self.ssh)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return folder

    def whole_key(self):
        """As it is kept elsewhere: with the host that was met, so that another machine knows it too."""
        known = dict(self.key())
        with contextlib.suppress(OSError), open(os.path.join(self._ssh_folder(), "known_hosts"), encoding="utf-8") as file:
            known["known_hosts"] = file.read()
        return known

    # --- asking restic -----------------------------------------------------------------------------------------

    def _ssh(self):
        """restic's own `sftp.args` came late; the whole command is understood by all of its versions."""
        folder = self._ssh_folder()
        path, hosts = os.path.join(folder, "id_ed25519"), os.path.join(folder, "known_hosts")
        for name, to in (("ssh_key", path), ("known_hosts", hosts)):
            if self.known.get(name) and (self.given or not os.path.exists(to)):  # another may have been given before
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(to)
                with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write(self.known[name])
        user, host, port = sftp_address(self.place)
        words = ["ssh", "-i", path, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + hosts]
        words += ["-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]
        words += ["-p", port] if port else []
        return " ".join([*words, user + "@" + host if user else host, "-s", "sftp"])

    def _command(self, words):
        options = ["-o", "sftp.command=" + self._ssh()] if self.place.startswith("sftp:") else []
        env = {
            **ROOM,
            **self.known.get("environment", {}),
            "RESTIC_REPOSITORY": self.place,
            "RESTIC_PASSWORD": self.known["password"],
            "RESTIC_CACHE_DIR": self._path("cache"),
            "RESTIC_PROGRESS_FPS": "0.2",
            "HOME": os.environ.get("HOME", "/root"),
        }
        return ["restic", "--quiet", *options, *words], env

    def ask(self, *words, limit=None):
        """What it printed. `limit`: seconds, for first contact: restic tries for a quarter of an hour by itself. Raises RefusedError that says what is wrong in plain words."""
        argv, env = self._command(words)
        for again in (True, False):
            status, out, errors = self._run(argv, env, limit)
            if status == 0 or (words[0] == "backup" and status == 3):  # 3: some files vanished or could not be read
                return out
            if again and "already locked" in errors:  # by one that was cut off: restic knows whether its owner is alive
                self._run([*argv[: argv.index(words[0])], "unlock"], env, limit)
                continue
            raise self._explained(errors)
        raise AssertionError  # the second try returns or raises

    def _run(self, argv, env, limit):
        try:
            child = start(argv, "", env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except RefusedError:
            raise RefusedError("restic is not on this machine", "", "apt-get install restic") from None
        late = ""
        try:
            out, errors = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            out, errors = child.communicate()
            late = "\nconnection timed out: no answer within %d s" % limit
        return child.returncode, out.decode("utf-8", "replace"), errors.decode("utf-8", "replace") + late

    def _explained(self, errors):
        plain = [line for line in errors.splitlines() if not line.startswith("{") and "known hosts" not in line]
        detail, place = tail("\n".join(plain) or errors, 6), self.place
        if NO_KEY.search(errors):
            return RefusedError(
                "the key is not this repository's: %s" % place,
                detail,
                "give the key that was kept when it was made, or another [backups] to",
            )
        if FULL.search(errors):
            return RefusedError(
                "there is no space left where backups go: %s" % place, detail, "make space there, or keep fewer: [backups] keep"
            )
        if REFUSED.search(errors):
            return RefusedError("%s does not let us in" % place, detail, self._way_in())
        if MISSING.search(errors) and not UNREACHED.search(errors):
            return MissingError("there are no backups at %s" % place, detail, "nuages backup now makes the first")
        if UNREACHED.search(errors):
            return RefusedError("%s can't be reached" % place, detail, "is that host up, and is its name right?")
        return RefusedError("restic failed", detail)

    def _way_in(self):
        if self.place.startswith("sftp:"):
            return "put this line into its ~/.ssh/authorized_keys: " + self.known.get("ssh_public", "")
        if self.place.startswith("s3:"):
            return "nuages backup access AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY gives it the key of the bucket"
        return ""

    # --- what is in it -----------------------------------------------------------------------------------------

    def begin(self, begun):
        """Make the repository where there is none. `begun`: there was one, so that one which is gone is told and not made anew."""
        try:
            self.ask("cat", "config", limit=FIRST)
        except MissingError as error:
            if begun:
                hint = "where the place is new on purpose: move %s away, and the next backup begins there" % self._path(
                    "status.json"
                )
                raise RefusedError("the backups are gone: %s is empty" % self.place, error.detail, hint) from None
            if is_here(self.place):
                os.makedirs(self.place, mode=0o700, exist_ok=True)
            self.ask("init")

    def snapshots(self):
        """Oldest first: [{"id", "at", "bytes", "files"}]."""
        told = json.loads(self.ask("snapshots", "--json", "--tag", "nuages", limit=FIRST) or "[]") or []
        return [
            {"id": one["short_id"], "at": one["time"][:19] + "Z", "host": one.get("hostname", ""), **summary_of(one)}
            for one in sorted(told, key=lambda one: one["time"])
        ]

    def extract(self, which, target, *paths):
        included = [word for path in paths for word in ("--include", path)]
        self.ask("restore", which, "--target", target, *included)


def summary_of(snapshot):
    told = snapshot.get("summary") or {}  # since restic 0.17
    return {"bytes": told.get("total_bytes_processed"), "files": told.get("total_files_processed")} if told else {}


def sftp_address(place):
    """(user, host, port) of sftp:user@host:/path and sftp://user@host:port//path."""
    found = re.match(r"sftp:(?://(?:([^@/]+)@)?(\[[^\]]+\]|[^:/]+)(?::(\d+))?/|(?:([^@:]+)@)?([^:]+):)", place)
    if not found:
        raise RefusedError("%s can't be read" % place, "", 'to = "sftp:user@host:/folder"')
    return (found.group(1) or found.group(4) or "", (found.group(2) or found.group(5)).strip("[]"), found.group(3) or "")


class MissingError(RefusedError):
    """There is no repository."""


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
