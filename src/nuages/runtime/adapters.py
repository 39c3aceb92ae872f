"""Settings that are not a plain module: dynaconf, django-configurations, and a django.conf that read too early."""

from __future__ import annotations

import sys


def holder_of(module):
    """Where the settings of `module` really live."""
    lazy = sys.modules.get("dynaconf") and _dynaconf_of(module)
    return DynaconfHolder(module, lazy) if lazy else ModuleHolder(module)


class ModuleHolder:
    """A plain module: its namespace."""

    def __init__(self, module):
        self.module = module

    def values(self):
        return {name: value for name, value in vars(self.module).items() if name.isupper()}

    def write(self, values):
        vars(self.module).update(values)

    def mark(self, name, value):
        setattr(self.module, name, value)


class DynaconfHolder(ModuleHolder):
    """dynaconf replaces django.conf.settings with an object of its own; values have to be pushed into that."""

    def __init__(self, module, lazy):
        super().__init__(module)
        self.lazy = lazy

    def values(self):
        known = {name: value for name, value in _plain(self.lazy.as_dict()).items() if name.isupper()}
        return {**super().values(), **known}

    def write(self, values):
        super().write(values)
        for name, value in values.items():
            self.lazy.set(name, value, merge=False)

    def mark(self, name, value):
        super().mark(name, value)
        self.lazy.set(name, value, merge=False)


def _dynaconf_of(module):
    from dynaconf import LazySettings

    own = [value for value in vars(module).values() if isinstance(value, LazySettings)]
    conf = sys.modules.get("django.conf")
    in_force = getattr(conf, "settings", None)
    return own[0] if own else in_force if isinstance(in_force, LazySettings) else None


def _plain(value):
    """dynaconf's boxes as what they hold, so that rules compare and copy ordinary dicts and lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        items = [_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def teach_configurations(importer, executing, early_loader, lay_over, finder):
    """`importer` is the module configurations.importer, whose finder stands before ours and whose loader turns a class
    into the settings module: substitute in the source it reads, and lay over what it made."""
    theirs = next(
        (value for name, value in vars(importer).items() if name in ("ConfigurationFinder", "ConfigurationImporter")),
        None,
    )
    find = getattr(theirs, "find_spec", None)
    if find is None:
        return

    def find_spec(self, fullname, path=None, target=None):
        spec = find(self, fullname, path, target)
        inner = getattr(getattr(spec, "loader", None), "spec", None)
        if inner is not None:
            inner.loader = early_loader(inner.loader, finder, in_settings=True)
            load = spec.loader.load_module

            def load_module(name):
                with executing():
                    module = load(name)
                lay_over(module, finder)
                return module

            spec.loader.load_module = load_module
        return spec

    theirs.find_spec = find_spec


def push_to_django(module_name, values):
    """A settings module that (through celery, say) read django.conf.settings while it ran left a half-read copy there."""
    conf = sys.modules.get("django.conf")
    settings = getattr(conf, "settings", None)
    wrapped = getattr(settings, "__dict__", {}).get("_wrapped")
    if getattr(wrapped, "SETTINGS_MODULE", None) != module_name:
        return
    for name, value in values.items():
        try:
            settings.__dict__.pop(name, None)  # LazySettings caches what was read
            setattr(wrapped, name, value)
        except Exception:
            continue
