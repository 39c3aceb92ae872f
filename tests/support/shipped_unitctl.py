"""Importing this makes the modules of src/nuages/unitctl importable, under names that don't meet those of keeper."""

import importlib
import sys
from pathlib import Path


UNITCTL = Path(__file__).parents[2] / "src" / "nuages" / "unitctl"
NAMES = ("state", "units", "written", "proving", "settling", "ctl")


def _load():
    """They import each other by their plain names, which keeper's modules of the same name must keep."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(UNITCTL))
    try:
        return {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(UNITCTL))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


_modules = _load()
state, units, written = _modules["state"], _modules["units"], _modules["written"]
proving, settling, ctl = _modules["proving"], _modules["settling"], _modules["ctl"]
