"""The page behind the proxy: what it wants of a host, and only where it is asked for."""

import ast
import json
from dataclasses import replace

import pytest
from described import lines, shop_placement

from nuages.components.monitor.page import PROGRAMS, ROOMS, describe_page
from nuages.errors import TopologyError
from nuages.topology.dashboard import DashboardPage, dashboard_of


ASKED = DashboardPage("/-/nuages/")


def described(page):
    placement = shop_placement()
    return describe_page(replace(placement, topology=replace(placement.topology, dashboard=page)))


def test_it_describes(golden):
    (found,) = described(ASKED)
    for file in found.files:
        if not file.path.endswith(".py"):
            golden(f"page{file.path}", file.content)
    golden("page/steps.txt", "\n".join(lines(found)) + "\n")


def test_without_a_path_there_is_nothing():
    assert described(DashboardPage()) == ()


def test_what_it_is_told_holds_no_secret_and_the_facts_are_for_the_account_alone():
    (found,) = described(ASKED)
    config = json.loads(next(f.content for f in found.files if f.path.endswith("page.json")))
    assert set(config) == {"site", "environment", "host", "dir", "url", "log", "style", "certificates", "to"}
    (folder,) = (d for d in found.directories if d.path == "/srv/shop/shared/dashboard")
    assert (folder.mode, folder.owner, folder.group) == (0o750, "root", "shop")


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_programs_run_on_an_old_python_without_anything_of_ours(program):
    text = (ROOMS / program).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in named if name and name.startswith("nuages")]


@pytest.mark.parametrize("path", ["nuages/", "/nuages", "/-/live", "/-/", "/", "/a b/", "/../x/", "/-/page/x/", "/é/", "/x{/"])
def test_a_path_that_can_be_none_is_refused(path):
    with pytest.raises(TopologyError) as refused:
        dashboard_of({"path": path})
    assert refused.value.where == "dashboard.path"
