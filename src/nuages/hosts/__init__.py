"""Hosts: where commands run. Only this room (and the lab) starts processes."""
