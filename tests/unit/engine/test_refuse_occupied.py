"""Before anything travels to a server where the site never was: is its place free?"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nuages.engine.readying import refuse_occupied
from nuages.errors import HostError
from nuages.testing import shop_placement


def seat(*, taken=None, of_others=False, site=None):
    live = SimpleNamespace(site=site, layout=SimpleNamespace(dir="/srv/shop"))
    answers = {"site": {"of_others": of_others}, "base": {"taken": taken or {}}}
    return SimpleNamespace(transport=SimpleNamespace(name="web-1"), live=live, answers=answers)


def topology(**values):
    return replace(shop_placement().topology, **values)


def test_a_port_that_others_have_is_told_with_what_to_do():
    with pytest.raises(HostError, match="port 80 on web-1 is taken by apache2") as told:
        refuse_occupied(topology(), [seat(taken={"80": "apache2"})])
    assert "port = 8080" in told.value.hint


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"port": 8080}, seat(taken={"80": "apache2"})),
        ({}, seat(taken={"80": "nginx", "443": "nginx"})),
        ({}, seat(taken={"80": "apache2"}, site={"schema": 1})),
        ({"hosts": ()}, seat(taken={"80": "apache2"}, of_others=True)),
    ],
    ids=["a port of its own", "the proxy itself", "the site lives there", "this machine"],
)
def test_what_is_free_or_ours_is_no_obstacle(values, seen):
    refuse_occupied(topology(**values), [seen])


def test_a_folder_of_others_under_the_site_s_name_is_not_taken_over():
    with pytest.raises(HostError, match="/srv/shop on web-1 is somebody else's"):
        refuse_occupied(topology(port=8080), [seat(of_others=True)])
