"""The MDN tutorial's steps for Heroku, line by line, on a server."""

from __future__ import annotations

import pytest
from heroku_steps import Player, play, play_pushes, play_static, tutorial


pytestmark = pytest.mark.slow


@pytest.mark.timeout(1800)
def test_the_lines_of_the_tutorial_work_with_nuages_for_heroku(lab, lab_host, tmp_path):
    host = lab_host("web-1")
    person = Player(tutorial(tmp_path / "library"), tmp_path / "state")
    create = f"nuages create library --host root@{host.address} --ssh-config {lab.ssh_config}"
    url = play(person, create)
    assert url == f"http://{host.address}/"

    told = person.types("nuages addons")
    assert "postgresql" in told
    assert "DATABASE_URL" in told
    assert "active" in person.types("nuages addons:info postgresql")
    assert "librarian" in person.types("nuages pg:psql", said="select username from auth_user;\n")
    play_static(person, url)
    play_pushes(person, url)

    person.types("nuages addons:upgrade valkey memcached --yes")
    assert "memcached" in person.types("nuages addons")
    assert 'cache = "memcached"' in (person.folder / "nuages.toml").read_text()
    told = person.types("nuages domains:add library.example --yes")
    assert f"A  {host.address}" in told
    person.types("nuages domains:remove library.example --yes")
    if "worker" in person.types("nuages ps"):  # the tutorial's own has none
        assert "begun again" in person.types("nuages ps:restart worker")
    person.types("nuages config:set LAST=1")
    assert "set LAST" in person.types("nuages releases")
    assert "config: + LAST" in person.types("nuages releases:info")
    assert "v1" in person.types("nuages apps")
