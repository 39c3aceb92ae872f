"""Lays production settings over the project's own, in whatever process imports them.

A finder on sys.meta_path wraps the loader of exactly the settings module. It is the one way that held on all of the
27 projects it was measured on: under gunicorn, celery, cron and manage.py, with star-imports, with code that imports the
settings module directly, and with settings whose package calls django.setup() half-way.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import sys
import threading


VARIABLE = "DJANGO_SETTINGS_MODULE"
MARKER = "NUAGES"
# What happened in this process: read by the probe and by overlay.read_back().
RECORD = {"changes": [], "expected": {}, "marker": "", "module": "", "errors": [], "early": []}
_state = threading.local()


def install():
    """Put the finder in front; twice is once. Without a readable policy nothing happens."""
    if any(type(finder).__name__ == "SettingsFinder" for finder in sys.meta_path):
        return
    policy = load_policy()
    if policy is not None:
        sys.meta_path.insert(0, SettingsFinder(policy))


def load_policy():
    try:
        with open(os.path.join(os.environ["NUAGES_RELEASE"], "policy.json"), encoding="utf-8") as file:
            return json.load(file)
    except (KeyError, OSError, ValueError):
        return None


class SettingsFinder:
    """Finds like everybody after it, and wraps the loader where settings are concerned."""

    def __init__(self, policy):
        self.policy = policy
        self.project = os.path.realpath(policy.get("project") or os.curdir) + os.sep
        self.companions = []  # project modules that the settings were made of: they are written back to

    def find_spec(self, name, path=None, target=None):
        if getattr(_state, "finding", False):
            return None
        wanted = self.wanted()
        is_settings = name in wanted
        is_adapter = name == "configurations.importer"
        if not (is_settings or is_adapter or getattr(_state, "executing", 0) or self.in_settings_package(name, wanted)):
            return None
        spec = self.find_behind(name, path, target)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return spec
        if is_adapter:
            spec.loader = ConfigurationsLoader(spec.loader, self)
        elif is_settings:
            spec.loader = SettingsLoader(spec.loader, self)
        elif self.is_project(spec.origin):
            self.companions.append(name)
            spec.loader = EarlyLoader(spec.loader, self, self.in_settings_package(name, wanted))
        return spec

    def find_behind(self, name, path, target):
        _state.finding = True
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                spec = None if finder is self or find is None else find(name, path, target)
                if spec is not None:
                    return spec
        finally:
            _state.finding = False
        return None

    def wanted(self):
        """Read each time: manage.py and wsgi.py may assign the variable after this process started."""
        return {name for name in (self.policy.get("settings_module"), os.environ.get(VARIABLE)) if name}

    def in_settings_package(self, name, wanted):
        """Ancestors and siblings of the settings module run before it does, so they can't be told by nesting."""
        parents = {setting.rpartition(".")[0] for setting in wanted}
        return any(parent and (name == parent or name.rpartition(".")[0] == parent) for parent in parents)

    def is_project(self, origin):
        real = os.path.realpath(origin or "")
        return real.startswith(self.project) and "site-packages" not in real

    def early(self, source, filename, in_settings):
        from . import early

        untouched = set(self.policy.get("leave") or ()) | set(self.policy.get("overrides") or ())
        secret = "" if "SECRET_KEY" in untouched else os.environ.get("NUAGES_SECRET_KEY", "")
        if not early.worth_reading(source):
            return None
        code, replaced = early.substituted(source, filename, secret, in_settings, debug="DEBUG" not in untouched)
        RECORD["early"] += [{"setting": name, "file": filename, "line": line} for name, line in replaced]
        return code if replaced else None


@contextlib.contextmanager
def executing():
    """Project modules that are imported meanwhile belong to the settings."""
    _state.executing = getattr(_state, "executing", 0) + 1
    try:
        yield
    finally:
        _state.executing -= 1


class EarlyLoader:
    """Runs a project module with DEBUG substituted; everything else is asked of the loader that it wraps."""

    in_settings = False

    def __init__(self, inner, finder, in_settings):
        self.inner = inner
        self.finder = finder
        self.in_settings = in_settings

    def __getattr__(self, name):
        if name in ("inner", "finder"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def create_module(self, spec):
        create = getattr(self.inner, "create_module", None)
        return create(spec) if create else None

    def exec_module(self, module):
        code = self.substituted(module)
        if code is None:
            self.inner.exec_module(module)
        else:
            exec(code, module.__dict__)  # noqa: S102 - this is what a loader does

    def substituted(self, module):
        """None where there is no source or nothing to replace; then the project's own loader runs it."""
        filename = getattr(module, "__file__", None) or ""
        if not filename.endswith(".py") or not isinstance(self.inner, importlib.machinery.SourceFileLoader):
            return None
        try:
            return self.finder.early(self.inner.get_data(filename), filename, self.in_settings)
        except (SyntaxError, ValueError, OSError):
            return None  # the project's own loader says it better


class SettingsLoader(EarlyLoader):
    """Runs the settings module, then lays the overlay over its namespace, in place."""

    def __init__(self, inner, finder):
        super().__init__(inner, finder, in_settings=True)

    def exec_module(self, module):
        with executing():
            super().exec_module(module)
        lay_over(module, self.finder)


class ConfigurationsLoader(EarlyLoader):
    """django-configurations puts its own finder before ours; teach that finder to use our loader."""

    def __init__(self, inner, finder):
        super().__init__(inner, finder, in_settings=False)

    def exec_module(self, module):
        self.inner.exec_module(module)
        from . import adapters

        adapters.teach_configurations(module, executing, EarlyLoader, lay_over, self.finder)


def lay_over(module, finder):
    """Apply the overlay to `module` and to everything that already copied values from it."""
    from . import adapters, overlay

    before = dict(vars(module))
    holder = adapters.holder_of(module)
    result = overlay.apply(holder.values(), finder.policy, os.environ, RECORD["early"])
    holder.write(result.values)
    RECORD.update(changes=result.changes, expected=result.expected, errors=result.errors, module=module.__name__)
    RECORD["marker"] = overlay.marker_of(finder.policy)
    holder.mark(MARKER, RECORD["marker"])
    write_back(before, result.values, finder.companions)
    adapters.push_to_django(module.__name__, result.values)
    from . import errors

    errors.connect()
    if os.environ.get("NUAGES_GENERATION"):  # a process of the site, and no command that somebody typed
        from . import recording

        recording.connect(finder.policy)


def write_back(before, values, companions):
    """A base module that was star-imported, and a package that re-exports, hold the same old values: change them too."""
    for name in companions:
        companion = sys.modules.get(name)
        for setting, value in values.items():
            held = getattr(companion, "__dict__", {})
            if setting in held and setting in before and _same(held[setting], before[setting]):
                held[setting] = value


def _same(one, other):
    try:
        return one is other or bool(one == other)
    except Exception:
        return False
