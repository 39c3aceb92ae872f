"""Two sites of a host can't have one name: the second is refused before anything is written."""

import subprocess
from dataclasses import replace

import pytest
from described import shop_placement

from nuages.components.contract import Certificate
from nuages.components.proxy.names import taken
from nuages.components.proxy.nginx import Nginx, site_configuration


def is_taken(tmp_path, placement):
    words = [word.replace("/etc/nginx", str(tmp_path)) for word in taken(placement).found.argv]
    return subprocess.run(words, check=False).returncode == 0


def lay(tmp_path, name, text):
    for folder in ("sites-enabled", "conf.d"):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "sites-enabled" / name).write_text(text)


def placed(name="shop", **topology):
    placement = shop_placement(name=name)
    return replace(placement, topology=replace(placement.topology, **topology))


@pytest.mark.parametrize("domains", [("shop.example",), ()])
def test_a_name_of_another_site_is_seen(tmp_path, domains):
    lay(tmp_path, "other.conf", site_configuration(placed("other", domains=domains), Certificate()))
    assert is_taken(tmp_path, placed(domains=domains))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("shop.conf", {}),  # its own file
        ("other.conf", {"domains": ("staging.shop.example", "my-shop.example")}),
        ("other.conf", {"port": 8080}),
    ],
)
def test_others_hold_nothing_up(tmp_path, name, other):
    lay(tmp_path, name, site_configuration(placed(name.removesuffix(".conf"), **other), Certificate()))
    assert not is_taken(tmp_path, placed())


def test_nothing_lies_there_yet(tmp_path):
    assert not is_taken(tmp_path, placed())


def test_on_a_port_of_its_own_nobody_is_asked():
    assert not Nginx().site(placed(port=8080), Certificate()).conflicts
