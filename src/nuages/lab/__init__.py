"""The lab: real Debian hosts with systemd on this machine, to rehearse a topology and to test against."""

from nuages.lab.host import LabHost
from nuages.lab.lab import Lab


__all__ = ["Lab", "LabHost"]
