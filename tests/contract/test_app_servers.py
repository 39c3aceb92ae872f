"""What every app server must keep, whichever it is."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from nuages.components.registry import APP_SERVERS, app_server
from nuages.errors import TopologyError
from nuages.secret import Secret
from nuages.testing import shop_build, shop_desired, shop_live, shop_placement, shop_topology


ALL = pytest.mark.parametrize("name", sorted(APP_SERVERS))
WEB = {"name": "web", "kind": "web", "command": "serve --port $PORT", "source": "Procfile", "note": "", "own_server": True}


def web_of(name, **topology):
    """The web process as this app server describes it for the shop."""
    desired = shop_desired(shop_live(), build=shop_build(processes=[WEB]), topology=shop_topology(**topology))
    return app_server(name).process(desired.placement)


@ALL
def test_its_requirements_are_lines_that_pip_reads(name):
    for interface in ("wsgi", "asgi"):
        for line in app_server(name).requires(interface):
            assert Requirement(line).specifier, "a least version, the one that was proved"


@ALL
def test_its_process_takes_the_held_socket_and_proves_itself(name):
    web = web_of(name)

    assert (web.kind, web.socket, web.proof) == ("web", True, True)
    assert web.workers >= 1


@ALL
def test_on_a_server_it_listens_where_its_generation_has_its_socket(name):
    """`{socket}` in its arguments, or NUAGES_SOCKET in its configuration's hands: no port is opened to the network."""
    web = app_server(name).process(shop_placement(processes=[WEB], server="gunicorn" if name == "own" else name))

    assert "{socket}" in web.argv or any(word.endswith("gunicorn_conf.py") for word in web.argv)
    assert "8000" not in web.argv


@ALL
def test_it_may_boot_and_drain_as_long_as_the_topology_says(name):
    web = web_of(name, drain=7)

    assert web.drain == 7
    assert web.start_timeout == shop_topology().health.within


@ALL
def test_no_secret_is_in_its_arguments(name):
    web = web_of(name)
    secrets = [v.reveal() if isinstance(v, Secret) else v for k, v in web.env.items() if "SECRET" in k and v]

    assert secrets
    assert not any(secret in word for secret in secrets for word in web.argv)


@ALL
def test_its_process_is_a_value_that_the_supervisor_can_be_given_as_json(name):
    import json

    assert json.loads(json.dumps(web_of(name).as_spec()))["name"] == "web"


def test_a_name_that_is_not_there_is_told_with_the_one_that_was_meant():
    with pytest.raises(TopologyError) as error:
        app_server("gunicron")

    assert "gunicorn" in error.value.hint


@pytest.mark.parametrize(("python", "served_by"), [("3.9.2", "gunicorn"), ("3.10.0", "granian"), ("3.14.1", "granian")])
def test_a_python_that_granian_does_not_know_is_served_by_gunicorn(python, served_by):
    web = app_server("granian").process(shop_placement(build=shop_build(python=python)))

    assert web.argv[1:3] == ("-m", served_by)


def test_granian_takes_no_more_requests_than_it_has_threads():
    argv = app_server("granian").process(shop_placement(threads=7)).argv

    assert argv[argv.index("--backpressure") + 1] == argv[argv.index("--blocking-threads") + 1] == "7"


def test_granian_under_asgi_counts_no_connection_since_websockets_stay():
    argv = app_server("granian").process(shop_placement(interface="asgi")).argv

    assert argv[argv.index("--interface") + 1] == "asgi"
    assert "--backpressure" not in argv
