"""The order in which Pythons are tried; which one fits, the resolver tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from nuages.environments.hints import binds, exact
from nuages.environments.interpreters import numbers
from nuages.environments.model import Python, PythonHint
from nuages.environments.uv import spell
from nuages.errors import PythonMissingError, TopologyError


END_OF_LIFE = (3, 10)  # its last release was October 2026
# The newest Python that a series of Django runs on; pure-Python wheels would install on any.
DJANGO_NEWEST: Mapping[str, tuple[int, int]] = {
    "1.11": (3, 7),
    "2.0": (3, 7),
    "2.1": (3, 7),
    "2.2": (3, 9),
    "3.0": (3, 9),
    "3.1": (3, 9),
    "3.2": (3, 10),
    "4.0": (3, 10),
    "4.1": (3, 11),
    "4.2": (3, 12),
    "5.0": (3, 12),
    "5.1": (3, 13),
    "5.2": (3, 14),
}


def candidates(pythons: Sequence[Python], hints: Sequence[PythonHint], wanted: str) -> tuple[Python, ...]:
    """The best first: what nuages.toml says; else, within what an installer would accept, a version that a hint
    names exactly, then the newest. Those at end of life come last."""
    if wanted:
        return _within(pythons, wish(wanted), f"`python` in nuages.toml ({wanted})")
    bounds = [hint for hint in hints if binds(hint)]
    fitting = tuple(pythons)
    for hint in bounds:
        fitting = _within(fitting, SpecifierSet(hint.spec), f"{hint.where} ({hint.spec})", pythons)
    named = [hint for hint in hints if not binds(hint)]
    return tuple(sorted(fitting, key=lambda python: _rank(python, named)))


def _rank(python: Python, named: Sequence[PythonHint]) -> tuple[bool, bool, int, tuple[int, ...]]:
    place = next((i for i, hint in enumerate(named) if python.version in SpecifierSet(hint.spec)), len(named))
    newest_first = tuple(-n for n in numbers(python.version))
    return (is_old(python), bool(python.why), place, newest_first)


def is_old(python: Python) -> bool:
    return numbers(python.version)[:2] <= END_OF_LIFE


def runs_django(python: Python, django: str) -> bool:
    series = ".".join(django.split(".")[:2])
    return numbers(python.version)[:2] <= DJANGO_NEWEST.get(series, (99, 0))


def wish(wanted: str) -> SpecifierSet:
    """`3.12`, `3.12.4` or a specifier."""
    spec = wanted.strip()
    if spec[:1] not in tuple("<>=!~"):
        spec = f"=={spec}" if spec.count(".") > 1 else exact(spec)
    try:
        if spec:
            return SpecifierSet(spec)
    except InvalidSpecifier:
        pass
    raise TopologyError(f"{wanted!r} is not a Python version", where="project.python", hint='write "3.12" or ">=3.11"')


def _within(pythons: Sequence[Python], spec: SpecifierSet, who: str, every: Sequence[Python] = ()) -> tuple[Python, ...]:
    fitting = tuple(python for python in pythons if python.version in spec)
    if fitting:
        return fitting
    have = [python.version for python in (every or pythons)]
    example = next((".".join(v.split(".")[:2]) for v in have), "3.12")
    hint = (
        f"install one (uv python install {_example(spec)}, pyenv or your system's packages), or choose among those "
        f'that are there: python = "{example}" under [project] in nuages.toml'
    )
    raise PythonMissingError(f"no Python on this machine fits {who}", detail=f"there are: {spell(have, 12) or 'none'}", hint=hint)


def _example(spec: SpecifierSet) -> str:
    for minor in range(14, 7, -1):
        if f"3.{minor}.99" in spec or f"3.{minor}.0" in spec:
            return f"3.{minor}"
    return "3.13"


def notes_on(python: Python, hints: Sequence[PythonHint], wanted: str) -> tuple[str, ...]:
    """What was not obeyed, and what will not last."""
    notes = []
    if is_old(python):
        notes.append(f"Python {python.version} gets no security fixes any more; choose a newer one with `python` in nuages.toml")
    unmet = [hint for hint in hints if python.version not in SpecifierSet(hint.spec)] if not wanted else []
    unmet = list({hint.spec: hint for hint in reversed(unmet)}.values())[::-1]
    notes += [f"{h.where} says {_short(h.spec)}; Python {python.version} is used" for h in unmet[:3]]
    return tuple(notes)


def _short(spec: str) -> str:
    return spec.removeprefix("==").removesuffix(".*")
