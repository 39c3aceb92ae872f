"""Workers and threads: from cores, memory and connections, with two generations alive; what the user says wins."""

import pytest

from nuages.components.appserver.sizing import CONNECTIONS, GENERATIONS, threads_for, workers_for
from nuages.components.contract import Machine
from nuages.components.registry import app_server, supervisor
from nuages.errors import TopologyError
from nuages.testing import LAYOUT, shop_build, shop_config, shop_desired, shop_live, shop_topology


GIB = 2**30
POSTGRESQL = {"databases": {"default": {"engine": "django.db.backends.postgresql"}}}


def placed(cores=2, memory=4 * GIB, build=None, config=None, **declared):
    live = shop_live(machine=Machine(cores, memory, "/usr/bin/python3", "3.13.0"))
    return shop_desired(live, build, config, topology=shop_topology(**declared)).placement


@pytest.mark.parametrize(
    ("cores", "memory", "workers"),
    [(1, 4 * GIB, 2), (4, 8 * GIB, 4), (4, GIB, 3), (4, 256 * 2**20, 1), (128, 512 * GIB, 16), (4, 0, 4)],
    ids=["one core", "four cores", "little memory", "hardly any memory", "a big machine", "memory unknown"],
)
def test_workers_fit_the_machine(cores, memory, workers):
    assert workers_for(placed(cores, memory)) == workers


def test_declared_workers_win_and_configured_ones_win_over_those():
    assert workers_for(placed(scale={"web": 7})) == 7
    assert workers_for(placed(scale={"web": 7}, config=shop_config(scale={"web": 3}))) == 3


def test_channels_in_memory_have_one_process():
    build = shop_build(interface="asgi", facts={"channels": {"in_memory": True}})
    assert workers_for(placed(8, build=build)) == 1


@pytest.mark.parametrize("cores", [1, 2, 8, 16])
def test_both_generations_fit_into_the_connections_of_a_database(cores):
    placement = placed(cores, 64 * GIB, build=shop_build(facts=POSTGRESQL))
    assert workers_for(placement) * threads_for(placement) * GENERATIONS <= CONNECTIONS


def test_sqlite_does_not_count_connections_and_a_database_url_may_be_any():
    assert threads_for(placed()) > threads_for(placed(config=shop_config(env={"DATABASE_URL": "postgres://db/shop"})))


def test_declared_threads_win():
    assert threads_for(placed(threads=4, build=shop_build(facts=POSTGRESQL))) == 4


def commands_of(line):
    build = shop_build(processes=[{"name": "worker", "kind": "worker", "command": line, "source": "Procfile"}])
    (process,) = supervisor("embedded").processes(placed(build=build))
    return process.argv


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("celery -A shop worker", "exec celery -A shop worker"),
        ("celery -A 'shop app' worker", "exec celery -A 'shop app' worker"),
        ("cd shop && celery worker", "cd shop && celery worker"),
        ("A=1 celery worker", "A=1 celery worker"),
        ("exec celery worker", "exec celery worker"),
        ("celery worker | tee log", "celery worker | tee log"),
        ("it's not closed", "it's not closed"),
    ],
)
def test_a_simple_line_gets_signals_itself_and_the_shells_own_syntax_is_left_to_it(line, run):
    assert commands_of(line) == ("/bin/sh", "-c", run)


def test_a_process_finds_the_programs_of_its_environment():
    build = shop_build(processes=[{"name": "worker", "kind": "worker", "command": "celery", "source": "Procfile"}])
    (process,) = supervisor("embedded").processes(placed(build=build))
    assert process.env["PATH"].startswith(f"{LAYOUT.venvs}/venv1/bin:")
    assert process.log.endswith("/logs/worker.log")


@pytest.mark.parametrize(("find", "typed", "meant"), [(app_server, "gunicron", "gunicorn"), (supervisor, "embeded", "embedded")])
def test_an_alternative_that_is_not_there_is_guessed(find, typed, meant):
    with pytest.raises(TopologyError) as error:
        find(typed)
    assert f"did you mean {meant}?" in error.value.hint
