"""The agent as a module of its own, loaded from its file: nothing of ours may import it."""

import importlib.util
from pathlib import Path


AGENT = Path(__file__).parents[2] / "src" / "nuages" / "hosts" / "agent.py"

_spec = importlib.util.spec_from_file_location("shipped_agent", AGENT)
agent = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(agent)
