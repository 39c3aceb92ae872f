"""The server is destroyed. A teammate's empty laptop has the project's files and the key, and makes it anew of its backups."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
import urllib.parse

import pytest
from deployed import Connection, Deployed
from sealed import sealed


FIELD_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
COVER = os.urandom(100_000).hex()


@pytest.fixture
def keeper(lab_host):
    """Another host with an account that takes backups over SSH."""
    host = lab_host("keeper-1")
    host.must("useradd --create-home --shell /bin/sh keeper && install -d -m 700 -o keeper -g keeper /home/keeper/.ssh")
    return host


def let_in(keeper, public):
    keeper.must(
        "tee /home/keeper/.ssh/authorized_keys > /dev/null && chown keeper: /home/keeper/.ssh/authorized_keys",
        stdin=public + "\n",
    )


def upload(shop, name, content):
    """A cover, as a form sends it; its path."""
    body = f'--edge\r\nContent-Disposition: form-data; name="cover"; filename="{name}"\r\n\r\n{content}\r\n--edge--\r\n'
    connection = Connection(shop.host.address, shop.domain, shop.ca, 30)
    connection.request("POST", "/cover", body.encode(), {"Content-Type": "multipart/form-data; boundary=edge"})
    answer = connection.getresponse()
    path = answer.read().decode()
    assert answer.status == 200, path
    connection.close()
    return path


def test_a_teammates_empty_laptop_restores_the_site_on_a_new_server_from_the_backups_alone(lab, lab_host, keeper, tmp_path):
    web_1 = lab_host("web-1")
    tables = f'\n[backups]\nto = "sftp:keeper@{keeper.address}:/home/keeper/backups"\n'
    shop = Deployed(tmp_path / "ada", web_1, tables=tables)
    sealed(shop.project)
    shop.nuages("config", "set", f"FIELD_KEY={FIELD_KEY}")
    shop.nuages("deploy")
    for number in range(20):
        shop.get("/books", {"title": f"Book {number}"})
    shop.get("/notes", {"text": "nobody may read this"})
    cover = upload(shop, "cover.txt", COVER)
    public = json.loads(shop.nuages("backup", "list", "--json", check=False).stdout or "{}").get("public")
    if not public:  # the keeper does not know us yet: the error tells the line that it wants
        public = "ssh-ed25519 " + shop.refused("backup", "now").partition("ssh-ed25519 ")[2].splitlines()[0]
    let_in(keeper, public)
    assert "1 uploaded files" in shop.nuages("backup", "now").stdout
    assert "is whole" in shop.nuages("backup", "verify").stdout
    shop.nuages("backup", "key")
    key = (tmp_path / "ada/state/nuages-keys/shop.json").read_text()
    assert "FIELD_KEY" not in key

    lab.down("web-1")
    new = lab.up("web-1")[0]
    began = time.monotonic()
    bob = Deployed(tmp_path / "bob", new, tables=tables)  # an empty home, and another folder
    shutil.rmtree(bob.root)
    shutil.copytree(shop.root, bob.root)
    bob.toml(tables=tables)
    (tmp_path / "from-the-password-manager.json").write_text(key)
    said = bob.nuages(
        "backup",
        "restore",
        "--on-new-server",
        "--key",
        tmp_path / "from-the-password-manager.json",
        "--yes",
        HOME=str(tmp_path / "bob"),
    )
    seconds = time.monotonic() - began
    print(f"\nrestored on a new server in {seconds:.0f} s:\n{said.stdout}")

    assert json.loads(bob.get("/books").body) == [f"Book {number}" for number in range(20)]
    assert json.loads(bob.get("/notes").body) == ["nobody may read this"]
    assert bob.get(urllib.parse.urlparse(cover).path).body == COVER
    bob.get("/books", {"title": "after"})  # its sequences go on
    bob.in_order()
    assert "before" not in bob.nuages("db", "list").stdout
    assert new.must("ls -A /srv/shop/backups/restoring 2>/dev/null | wc -l").strip() == "0"
    assert "is whole" in bob.nuages("backup", "verify").stdout
