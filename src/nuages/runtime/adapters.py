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


def teach_configurations(importer, finder, settings_loader, early_loader):
    """`importer` is the module configurations.importer: wrap what its finder hands out for the settings module."""
    theirs = next((value for name, value in vars(importer).items() if name in ("ConfigurationFinder", "ConfigurationImporter")), None)
    original = getattr(theirs, "find_spec", None)
    if original is None:
        return

    def find_spec(self, fullname, path=None, target=None):
        spec = original(self, fullname, path, target)
        if spec is not None and spec.loader is not None and fullname in finder.wanted():
            if hasattr(spec.loader, "loader"):
                spec.loader.loader = early_loader(spec.loader.loader, finder, in_settings=True)
            spec.loader = settings_loader(spec.loader, finder)
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
