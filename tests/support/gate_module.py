"""The gate's modules, loaded from their files as the gate itself loads them; nothing of ours may import them."""

import importlib.util
import sys
from pathlib import Path

from agent_module import agent, beside


GATE = Path(__file__).parents[2] / "src" / "nuages" / "gate"
beside("agent_server")


def _loaded(name):
    spec = importlib.util.spec_from_file_location(name, GATE / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gate, beneath, contents, lists, environment, running, writing, reading = (
    _loaded(name) for name in ("gate", "beneath", "contents", "lists", "environment", "running", "writing", "reading")
)
__all__ = ["agent", "beneath", "contents", "environment", "gate", "lists", "reading", "running", "writing"]
