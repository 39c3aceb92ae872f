"""The files of a lock, on this machine: wheels by their digest, fetched once for all sites and hosts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from nuages.environments.fetching import fetch
from nuages.environments.model import Lock, Piece, Pin, Target
from nuages.environments.sources import Workshop, from_source
from nuages.hosts.transport import Progress, Transport


__all__ = ["Piece", "gather", "wheel_cache"]

AT_ONCE = 6  # downloads


def wheel_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "nuages" / "wheels"


def gather(here: Transport, lock: Lock, target: Target, progress: Progress, cache: Path | None = None) -> tuple[Piece, ...]:
    """Every file of a lock, downloaded unless it is in the cache, and checked by its digest.

    Pure Python that exists only as source becomes a wheel here; what has compiled code stays source. Raises
    EnvironmentBuildError with what could not be fetched, or is not what the lock says.
    """
    folder = cache or wheel_cache()
    folder.mkdir(parents=True, exist_ok=True)

    def wheels(pins: tuple[Pin, ...]) -> tuple[Piece, ...]:
        found = _download(lock, pins, folder, progress)
        return tuple(Piece.of(pin.name, pin.file, found[pin]) for pin in pins)

    found = _download(lock, lock.pins, folder, progress)
    shop = Workshop(here, lock, target, folder, wheels, progress)
    return tuple(
        Piece.of(pin.name, pin.file, found[pin]) if pin.is_wheel else from_source(shop, pin, found.get(pin)) for pin in lock.pins
    )


def _download(lock: Lock, pins: Sequence[Pin], folder: Path, progress: Progress) -> dict[Pin, Path]:
    files = [pin for pin in pins if pin.sha256 or urlsplit(pin.url).scheme in ("http", "https")]
    missing = [pin for pin in files if not (pin.sha256 and (folder / pin.sha256).exists())]
    if missing:
        size = sum(pin.size for pin in missing)
        progress(f"downloading {len(missing)} packages" + (f", {size / 1e6:.1f} MB" if size else ""))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        fetched = pool.map(lambda pin: fetch(pin.url, pin.sha256, folder, lock.index_environment).path, missing)
        paths = dict(zip(missing, fetched, strict=True))
    return {pin: paths.get(pin) or folder / pin.sha256 for pin in files}
