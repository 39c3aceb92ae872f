"""Importing this makes the programs of src/nuages/dataside importable, which import each other by their plain names."""

import importlib
import sys
from pathlib import Path


DATASIDE = Path(__file__).parents[2] / "src" / "nuages" / "dataside"
NAMES = ("refusal", "archive", "project", "postgres", "sqlite", "databases", "uploads", "store", "nightly")


def _load():
    before, path = {name: sys.modules.pop(name, None) for name in NAMES}, list(sys.path)
    sys.path.insert(0, str(DATASIDE))
    try:
        return {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path[:] = path  # the programs put their own folder there as well
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


_modules = _load()
refusal, archive, project, postgres, sqlite, databases, uploads, store, nightly = (_modules[name] for name in NAMES)
