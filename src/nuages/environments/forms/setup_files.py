"""setup.cfg and setup.py, where nothing newer says it: read where they are plain, built where they compute."""

from __future__ import annotations

import ast
import configparser
import contextlib
from pathlib import Path

from nuages.environments.forms.toml_files import relative
from nuages.environments.wishes import Wishes


KIND = "setup.py"
NAMES = ("setup.py", "setup.cfg")


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    here = root / folder
    names = tuple(relative(folder, name) for name in NAMES if (here / name).is_file())
    if not names:
        return None
    cfg = _from_cfg(here / "setup.cfg", extras)
    py = _from_py(here / "setup.py")
    if cfg:
        return Wishes(lines=cfg, files=names, extras=extras)
    if py is None or (py == () and not cfg and not (here / "setup.py").is_file()):
        return None
    if py and not extras:
        return Wishes(lines=py, files=names)
    return Wishes(dynamic=folder or ".", files=names, extras=extras)


def _from_cfg(path: Path, extras: tuple[str, ...]) -> tuple[str, ...]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(OSError, ValueError, configparser.Error):
        parser.read_string(path.read_text(encoding="utf-8"))
    texts = [parser.get("options", "install_requires", fallback="")]
    texts += [parser.get("options.extras_require", extra, fallback="") for extra in extras]
    return tuple(
        line.strip()
        for text in texts
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith(("#", "file:"))
    )


def _from_py(path: Path) -> tuple[str, ...] | None:
    """The literal list of `install_requires`; () where it is computed, None where there is no setup() call."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup":
            value = next((k.value for k in node.keywords if k.arg == "install_requires"), None)
            with contextlib.suppress(ValueError):
                found = ast.literal_eval(value) if value else ()
                return tuple(str(line) for line in found) if isinstance(found, list | tuple) else ()
            return ()
    return None
