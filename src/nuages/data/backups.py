"""The site's scheduled backups, asked and told from here. What is done is in dataside/nightly.py, on the host.

A key is a JSON object: where the repository is, its password, and how to get in. It is made on the host and kept here too, since
without it nobody reads the backups: in $XDG_DATA_HOME/nuages-keys/<site>.json, 0600.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nuages.components.backup.restic import config_of
from nuages.data.hand import Hand, Op, laid, place_of
from nuages.errors import DataError, UsageError
from nuages.hosts.transport import Progress, Transport
from nuages.secret import Secret
from nuages.topology.model import Topology


PROGRAM = "nightly.py"
KEY_FILE = "key-given.json"


@dataclass(frozen=True)
class Vault:
    """The backups of one site. `given`: a key lies beside the programs, in place of the host's own."""

    hand: Hand
    config: Mapping[str, Any]
    given: bool = False

    def words(self, words: Mapping[str, Any]) -> dict[str, Any]:
        key = {"key_file": f"{self.hand.folder}/{KEY_FILE}"} if self.given else {}
        return {"program": PROGRAM, "config": dict(self.config), **key, **words}

    def ask(self, verb: str, progress: Progress | None = None, **words: Any) -> dict[str, Any]:
        return self.hand.ask(verb, progress, **self.words(words))

    def op(self, verb: str, **words: Any) -> Op:
        return self.hand.op(verb, **self.words(words))

    def of(self, alias: str) -> Hand:
        """For the database of that name."""
        return Hand(replace(self.hand.place, alias=alias), self.hand.folder)


@contextlib.contextmanager
def vault(topology: Topology, host: Transport, key: Mapping[str, Any] | None = None, to: str = "") -> Iterator[Vault]:
    """`key`: counts in place of the host's, on a new server; `to`: in place of [backups] to. Raises UsageError."""
    if topology.backups.engine == "none":
        raise UsageError("backups are switched off", where="backups.engine", hint='engine = "restic" in [backups]')
    place = place_of(topology, host)
    given = {KEY_FILE: json.dumps(key)} if key else None
    config = config_of(topology, place.layout)
    with laid(place, given) as hand:
        yield Vault(hand, {**config, "to": to or config["to"]}, given=bool(key))


# --- the key -------------------------------------------------------------------------------------------------


def key_path(site: str) -> Path:
    """Where this machine keeps it. Not among the sites: one of them may be called keys."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "nuages-keys" / f"{site}.json"


def read_key(path: Path) -> dict[str, Any]:
    """Raises UsageError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "whoever deployed has it there too, or printed it: nuages backup key --show; say --key FILE"
        raise UsageError("the key of the backups is not here", where=str(path), hint=hint) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"this key can't be read: {error}", where=str(path)) from error
    if not isinstance(found, dict) or not {"password", "repository"} <= set(found):
        raise UsageError("this is no key of backups", where=str(path), hint="nuages backup key --show, on a machine that deploys")
    return found


def keep_key(found: Vault) -> tuple[Path, bool]:
    """From the host to this machine. (where, is it new or another one than before)."""
    key = ask_key(found)
    path = key_path(found.hand.place.site)
    text = json.dumps(key, indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return path, False
    if path.exists() and json.loads(path.read_text(encoding="utf-8")).get("password") != key["password"]:
        path.replace(path.with_suffix(".json.before"))  # of a site that was made anew: it opens the older backups
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
    return path, True


def ask_key(found: Vault) -> dict[str, Any]:
    key = found.ask("key", show=True)["key"]
    if not isinstance(key, dict):
        raise DataError("the host has no key", where=found.hand.place.host.name)
    return key


def give_access(found: Vault, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Variables of the place where backups go, AWS_ACCESS_KEY_ID and the like; the names that it has now."""
    told = found.hand.ask_saying("access", Secret(json.dumps(dict(variables)) + "\n"), **found.words({}))
    return tuple(told["names"])
