"""jinja2 lives here: files from templates that stand beside their component."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import jinja2


def head(site: str, instead: str, comment: str = "#") -> str:
    """The first lines of every file of ours: who wrote it, and what to edit instead."""
    whose = f"for the site {site}" if site else "for this host"
    return f"{comment} Written by Nuages {whose}. To change it: {instead}; then nuages deploy.\n{comment} A change made here is kept, and shown by `nuages drift`.\n"


def render(folder: Path, name: str, **values: Any) -> str:
    """The template `name` in `folder`; an unknown variable is an error. Ends with one newline."""
    return _environment(str(folder)).get_template(name).render(**values).rstrip("\n") + "\n"


def load_templates() -> None:
    """jinja2 itself, which takes longer to load than to use."""
    _environment(str(Path(__file__).parent))


@cache
def _environment(folder: str) -> jinja2.Environment:
    import jinja2  # a site on this machine has no templates, and starts without it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        bytecode_cache=_compiled(),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _compiled() -> jinja2.BytecodeCache | None:
    """Templates as they were compiled the last time, which takes longer than all else of a plan; none where they can't be kept."""
    import jinja2

    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "nuages", "templates")
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    except OSError:
        return None
    return jinja2.FileSystemBytecodeCache(str(folder))
