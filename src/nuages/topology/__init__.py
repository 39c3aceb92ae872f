"""Stage 1: what the user declares."""

from nuages.topology.loading import find_root, load_topology
from nuages.topology.model import Topology


__all__ = ["Topology", "find_root", "load_topology"]
