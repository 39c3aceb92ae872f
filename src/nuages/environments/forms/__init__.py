"""Forms in which projects say what they need: one file each, the best first.

A form is a module with `KIND` and `find(root, folder, extras) -> Wishes | None`: None where the folder has no such
form. `folder` is relative to `root`. Nothing is run and nothing is imported to find out.
"""

from __future__ import annotations

from nuages.environments.forms import (
    dependency_group,
    pdm_lock,
    pipfile,
    pipfile_lock,
    poetry,
    poetry_lock,
    pyproject,
    requirement_files,
    setup_files,
    uv_lock,
)


# A whole lock first, then what people deploy from, then what only names the direct dependencies.
FORMS = (
    uv_lock,
    poetry_lock,
    pdm_lock,
    pipfile_lock,
    requirement_files.production,
    requirement_files.plain,
    pyproject,
    poetry,
    pipfile,
    dependency_group,
    setup_files,
)
