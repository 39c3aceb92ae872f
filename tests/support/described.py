"""What a component describes for the shop, and its golden files: a folder for each case, as a host's disk."""

from __future__ import annotations

from nuages.components.contract import Machine, Placement
from nuages.secret import Secret
from nuages.testing import LAYOUT, shop_build, shop_policy, shop_topology
from nuages.topology.model import Host


MIB, GIB = 2**20, 2**30
SYSTEMS = {
    "debian-13": ("debian", "13"),
    "debian-12": ("debian", "12"),
    "ubuntu-22.04": ("ubuntu", "22.04"),
    "ubuntu-24.04": ("ubuntu", "24.04"),
}


def shop_placement(system="debian-13", *, cores=2, memory=4 * GIB, name="shop", services=None, **manifest):
    os, version = SYSTEMS[system]
    declared = {"services": services} if services else {}
    topology = shop_topology(name=name, hosts=(Host("web-1", "192.0.2.11"),), domains=("shop.example",), **declared)
    machine = Machine(cores, memory, os=os, os_version=version, arch="x86_64")
    return Placement(
        topology, LAYOUT, shop_build(**manifest), machine, shop_policy(), {}, host=topology.hosts[0], account=topology.account
    )


def compare_disk(golden, case, descriptions):
    """Files as they would lie on the host; actions, units and conflicts as one text beside them."""
    for description in descriptions:
        for file in description.files:
            text = file.content.reveal() if isinstance(file.content, Secret) else file.content
            golden(f"{case}{file.path}", text)
    golden(f"{case}/steps.txt", "\n".join(line for d in descriptions for line in lines(d)) + "\n")


def lines(description):
    yield f"{description.name} ({description.scope}): {description.what}"
    yield from (f"  package {name}" for name in description.packages)
    yield from (f"  file {f.path} {f.mode:o} {f.owner}:{f.group}" for f in description.files)
    for unit in description.units:
        how = [f"after {path.rpartition('/')[2]}" for path in unit.on]
        how += ["reload"] if unit.reload else []
        how += [f"if {unit.of_package} is ours"] if unit.of_package else []
        how += [unit.interrupts] if unit.interrupts else []
        yield f"  unit {unit.name} {'on' if unit.running else 'off'}" + "".join(f"; {word}" for word in how)
    for action in description.actions:
        yield f"  action {action.key}: {action.what} ({action.why})"
        yield f"    as {action.user}: {action.command}"
    yield from (f"  export {name}={value}" for name, value in description.exports.items())
