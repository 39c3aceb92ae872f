"""Drivers that need a compiler, on a machine without one."""

import pytest

from nuages.environments.substitutes import fit_to_machine
from nuages.environments.wishes import Wishes


ASKED = Wishes(
    lines=(
        "psycopg2==2.9.11",
        "psycopg[c,pool]>=3.2",
        "psycopg-c==3.2.9 ; python_version > '3'",
        "uWSGI==2.0.31",
        "django",
    )
)


def test_a_machine_that_can_compile_gets_what_the_project_asks_for():
    fitted = fit_to_machine(ASKED, lambda name: f"/usr/bin/{name}")
    assert fitted.lines == tuple(line for line in ASKED.lines if "uWSGI" not in line)


def test_without_a_compiler_the_same_versions_come_as_wheels_and_it_is_told():
    fitted = fit_to_machine(ASKED, lambda _name: None)
    assert fitted.lines == (
        "psycopg2-binary==2.9.11", "psycopg[binary,pool]>=3.2", "psycopg-binary==3.2.9 ; python_version > '3'", "django",
    )  # fmt: skip
    assert len(fitted.notes) == 4


def test_a_server_that_ours_stands_in_for_is_not_compiled_and_it_is_told():
    fitted = fit_to_machine(ASKED, lambda name: f"/usr/bin/{name}")
    assert [note.split()[0] for note in fitted.notes] == ["uwsgi"]


def test_a_compiler_without_pg_config_is_not_enough_for_the_drivers():
    fitted = fit_to_machine(ASKED, lambda name: "/usr/bin/cc" if name == "cc" else None)
    assert "psycopg2-binary==2.9.11" in fitted.lines


@pytest.mark.parametrize(
    ("pin", "python", "line"),
    [
        ("psycopg2-binary==2.9.9", "3.13.5", "psycopg2-binary>=2.9.10"),
        ("psycopg2-binary==2.9.9", "3.12.1", "psycopg2-binary==2.9.9"),
        ("psycopg2-binary==2.9.9", "", "psycopg2-binary==2.9.9"),
        ("psycopg2-binary>=2.9", "3.13.5", "psycopg2-binary>=2.9"),
    ],
)
def test_a_pin_that_can_not_work_on_the_servers_python_is_lifted_and_told(pin, python, line):
    fitted = fit_to_machine(Wishes(lines=(pin,)), lambda _name: None, python)
    assert fitted.lines == (line,)
    assert bool(fitted.notes) == (line != pin)
