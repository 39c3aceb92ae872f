"""Everything as plain files and commands; secrets are left out."""

from described import shop_placement

from nuages.components.base import describe_base
from nuages.components.contract import Description, File, Link, Port, Unit
from nuages.engine.ejecting import eject
from nuages.hosts.command import run
from nuages.secret import Secret


def test_files_are_as_on_the_host_and_secrets_are_placeholders():
    secret = Description("key", "a key", files=(File("/etc/key", Secret("hunter2"), 0o600),))
    ejected = eject([secret], site="shop", host="web-1")
    assert "hunter2" not in "".join(ejected.files.values())
    assert ejected.modes == {"etc/key": 0o600}


def test_the_commands_follow_in_the_order_in_which_they_are_needed():
    nginx = Description(
        "nginx",
        "nginx serves the shop",
        packages=("nginx",),
        files=(File("/etc/nginx/shop.conf", "x"),),
        links=(Link("/etc/nginx/on/shop.conf", "/etc/nginx/shop.conf"),),
        verify=run("nginx", "-t"),
        units=(Unit("nginx.service"),),
    )
    text = eject([nginx], site="shop", host="web-1").files["README.md"]
    words = ["apt-get install", "install -D", "ln -sfn", "nginx -t", "systemctl enable --now nginx.service"]
    assert sorted(words, key=text.index) == words


def test_the_base_ejects_whole():
    ejected = eject(describe_base(shop_placement(), [Port(443)]), site="shop", host="web-1")
    assert "etc/nuages/firewall/shop.nft" in ejected.files
    assert "useradd --system" in ejected.files["README.md"]
