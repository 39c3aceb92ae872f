"""The agent as a module of its own, loaded from its file: nothing of ours may import it.

`beside("agent_server")` is a file that is sent with it, loaded as it loads it.
"""

import importlib.util
import sys
from pathlib import Path


AGENT = Path(__file__).parents[2] / "src" / "nuages" / "hosts" / "agent.py"

_spec = importlib.util.spec_from_file_location("shipped_agent", AGENT)
agent = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(agent)
sys.modules["agent"] = agent  # the name under which the files beside it know it


def beside(name):
    spec = importlib.util.spec_from_file_location(name, AGENT.with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
