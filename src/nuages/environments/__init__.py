"""Pythons, locks and virtual environments: what a project needs, resolved once and built beside the site.

`find_requirements` and `python_hints` read files; `interpreters` looks at the machine; `make_lock` asks the resolver;
`build_environment` writes into the store.
"""

from nuages.environments.building import build_environment
from nuages.environments.hints import python_hints
from nuages.environments.interpreters import interpreters
from nuages.environments.locking import make_lock
from nuages.environments.requirements import find_requirements
from nuages.environments.system_packages import system_packages


__all__ = [
    "build_environment",
    "find_requirements",
    "interpreters",
    "make_lock",
    "python_hints",
    "system_packages",
]
