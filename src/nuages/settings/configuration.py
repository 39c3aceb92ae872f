"""Config versions: the site's environment variables, files and scale, each change a new 0600 file on the host.

A value is never shown unless it was asked for by name; a rollback takes the version of its release, but keys that were
rotated since stay rotated.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nuages.errors import UsageError


# Django's own `startproject` draws 50 characters from a set of 50; 64 from URL-safe base64 hold more and need no quoting.
SECRET_BYTES = 48


@dataclass(frozen=True)
class Configuration:
    """One version. `env` and `files` are what the user set; `secret_key` is ours, drawn once."""

    version: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, int] = field(default_factory=dict)
    secret_key: str = ""
    secret_key_fallbacks: tuple[str, ...] = ()
    why: str = ""
    quiet: bool = False  # no mail leaves, and nothing runs by the clock: it has another environment's people in it

    def __repr__(self) -> str:
        return f"Configuration(v{self.version}: {', '.join(sorted(self.env)) or 'empty'})"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def load_configuration(stored: Mapping[str, Any] | None) -> Configuration:
    """From what the agent read; a site that has none gets version 1 with a key of its own."""
    if not stored:
        return Configuration(version=1, secret_key=secrets.token_urlsafe(SECRET_BYTES), why="first deploy")
    known = {k: v for k, v in stored.items() if k in Configuration.__dataclass_fields__}
    known["secret_key_fallbacks"] = tuple(known.get("secret_key_fallbacks", ()))
    return Configuration(**known)


def set_values(config: Configuration, values: Mapping[str, str]) -> Configuration:
    for name, value in values.items():
        _check(name, value)
    env = {**config.env, **values}
    return (
        config
        if env == config.env
        else replace(config, version=config.version + 1, env=env, why="set " + ", ".join(sorted(values)))
    )


def unset_values(config: Configuration, names: tuple[str, ...]) -> Configuration:
    absent = [n for n in names if n not in config.env and n not in config.files]
    if absent:
        raise UsageError(f"there is no {', '.join(absent)} in the configuration", hint="`nuages config` lists the names")
    env = {k: v for k, v in config.env.items() if k not in names}
    files = {k: v for k, v in config.files.items() if k not in names}
    return replace(config, version=config.version + 1, env=env, files=files, why="unset " + ", ".join(names))


def set_all(config: Configuration, values: Mapping[str, str]) -> Configuration:
    """These variables and no others; files and scale stay."""
    for name, value in values.items():
        if config.env.get(name) != value:
            _check(name, value)
    changed = sorted(n for n in {*values, *config.env} if values.get(n) != config.env.get(n))
    if not changed:
        return config
    return replace(config, version=config.version + 1, env=dict(values), why="edit " + ", ".join(changed))


def set_file(config: Configuration, path: str, content: str) -> Configuration:
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or parts[-1] in ("", ".") or "\0" in path:
        raise UsageError(
            "files go under the project's folder", where=path, hint="give a relative path, such as config/keys.json=@keys.json"
        )
    files = {**config.files, path: content}
    return config if files == config.files else replace(config, version=config.version + 1, files=files, why=f"file {path}")


def set_scale(config: Configuration, scale: Mapping[str, int]) -> Configuration:
    merged = {**config.scale, **scale}
    if merged == config.scale:
        return config
    return replace(
        config, version=config.version + 1, scale=merged, why="scale " + " ".join(f"{k}={v}" for k, v in scale.items())
    )


def set_quiet(config: Configuration, *, quiet: bool) -> Configuration:
    if config.quiet == quiet:
        return config
    return replace(config, version=config.version + 1, quiet=quiet, why=f"quiet {'on' if quiet else 'off'}")


def rotate_key(config: Configuration) -> Configuration:
    """A new key; the old one goes on verifying what it signed (SECRET_KEY_FALLBACKS, Django 4.1 and newer)."""
    fallbacks = (config.secret_key, *config.secret_key_fallbacks)[:3]
    return replace(
        config,
        version=config.version + 1,
        secret_key=secrets.token_urlsafe(SECRET_BYTES),
        secret_key_fallbacks=fallbacks,
        why="rotate the secret key",
    )


def rolled_back(old: Configuration, newest: Configuration) -> Configuration:
    """The old values under a new version; a rotated key is never revived."""
    keys = {"secret_key": newest.secret_key, "secret_key_fallbacks": newest.secret_key_fallbacks, "quiet": newest.quiet}
    same = (old.env, old.files, old.scale) == (newest.env, newest.files, newest.scale)
    return newest if same else replace(old, version=newest.version + 1, why=f"rollback to config v{old.version}", **keys)  # type: ignore[arg-type]


def parse_assignments(words: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE words; VALUE may be empty and may hold anything but a NUL."""
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(
                f"{word!r} is not NAME=VALUE", hint=f"nuages config set {name}=...; to remove it: nuages config unset {name}"
            )
        _check(name, value)
        values[name] = value
    return values


def process_environment(config: Configuration, generated_names: tuple[str, ...]) -> dict[str, str]:
    """What a process of the site gets: the user's variables win over what we generate."""
    ours = {
        "NUAGES_SECRET_KEY": config.secret_key,
        "NUAGES_SECRET_KEY_FALLBACKS": json.dumps(list(config.secret_key_fallbacks)),
        **dict.fromkeys(generated_names, config.secret_key),
        **({"NUAGES_QUIET": "1"} if config.quiet else {}),
    }
    return {**ours, **config.env}


def _check(name: str, value: str) -> None:
    if "\0" in value:
        raise UsageError("a value can't hold a NUL byte", where=name)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UsageError(f"{name!r} is not the name of a variable", hint="letters, digits and _, not starting with a digit")
    if name.startswith("NUAGES_") or name in ("PYTHONPATH", "LISTEN_FDS", "LISTEN_PID"):
        raise UsageError(f"{name} is set by Nuages and can't be changed", hint="take another name")
