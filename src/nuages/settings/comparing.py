"""What differs between two configurations: names, never values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nuages.settings.configuration import Configuration


@dataclass(frozen=True)
class Difference:
    """Names of variables and of files; `scale` as it is said: "worker 1 -> 2"."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
    key_rotated: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        told = [f"+ {name}" for name in self.added] + [f"- {name}" for name in self.removed]
        told += [f"~ {name}" for name in self.changed] + [f"~ scale {entry}" for entry in self.scale]
        return told + (["~ the generated secret key, rotated"] if self.key_rotated else [])


def difference(old: Configuration, new: Configuration) -> Difference:
    before, after = {**old.files, **old.env}, {**new.files, **new.env}
    return Difference(
        added=tuple(sorted(set(after) - set(before))),
        removed=tuple(sorted(set(before) - set(after))),
        changed=tuple(sorted(name for name in set(before) & set(after) if before[name] != after[name])),
        scale=_scaled(old.scale, new.scale),
        key_rotated=bool(old.secret_key) and old.secret_key != new.secret_key,
    )


def _scaled(old: Mapping[str, int], new: Mapping[str, int]) -> tuple[str, ...]:
    names = sorted(set(old) | set(new))
    return tuple(f"{n} {old.get(n, 'as it was')} -> {new.get(n, 'as it was')}" for n in names if old.get(n) != new.get(n))
