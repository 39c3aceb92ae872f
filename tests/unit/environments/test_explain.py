"""What people are told when requirements don't resolve."""

import pytest

from nuages.environments.explain import explain
from nuages.environments.model import Python
from nuages.environments.stack import against
from nuages.environments.system_packages import system_packages


PYTHON = Python("3.12.1", "/opt/python3.12")
HEAD = "error: No solution found when resolving dependencies\n  cause: "
CASES = [
    (HEAD + "Because djago was not found in the package registry and you require djago, we can conclude that your requirements are unsatisfiable.", "no index has a package named djago", "spelled"),
    (HEAD + "Because there is no version of django==99 and you require django==99, we can conclude ...", "there is no version django==99", "correct"),
    (HEAD + "Because a>=2 depends on b<6 and you require b==6, we can conclude that your requirements and a>=2 are incompatible.", "don't fit together on Python 3.12.1", "choose another Python"),
    ("error: Request failed\n  cause: Failed to fetch: http://u:pw@127.0.0.1:1/simple/django/\n  cause: Connection refused (os error 111)", "can't reach http://***@127.0.0.1:1/simple/django/", "UV_DEFAULT_INDEX"),
    ("error: Failed to download and build `x @ git+https://github.com/x`\n  cause: Git operation failed\n fatal: unable to access: Could not resolve host: github.com", "can't reach github.com", "online"),
    ("error: Failed to build `mysqlclient==2.1.1`\n  cause: The build backend returned an error\n /bin/sh: 1: mysql_config: not found", "mysqlclient does not build", "sudo apt install default-libmysqlclient-dev"),
    ("error: failed to write: No space left on device (os error 28)", "the disk is full", "free some space"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "what", "hint"), CASES, ids=[case[1] for case in CASES])
def test_the_cause_and_the_way_out_are_named_in_at_most_five_lines(said, what, hint):
    answer = explain(said, PYTHON)
    assert what in answer[0]
    assert hint in answer[2]
    assert len("\n".join(part for part in answer if part).splitlines()) <= 5
    assert "u:pw" not in "".join(answer)


def test_system_packages_are_named_for_what_needs_them():
    needed = system_packages(["Python_Magic", "psycopg2", "django.contrib.gis", "django"])
    assert needed["Python_Magic"] == ("libmagic1",)
    assert {"libpq-dev", "build-essential"} <= set(needed["psycopg2"])
    assert "gdal-bin" in needed["django.contrib.gis"]
    assert "django" not in needed


def test_the_stack_keeps_every_version_of_the_project_and_tells_what_is_older():
    lines, notes = against(("gunicorn==20.1.0", "psycopg==3.2.9"), ("gunicorn>=23", "whitenoise>=6.6", "psycopg[binary]>=3.1"))
    assert lines == ("whitenoise>=6.6", "psycopg[binary]")
    assert notes == ("gunicorn 20.1.0 is what the project has; proved with >=23",)


@pytest.mark.parametrize(
    ("wish", "other"), [("psycopg[binary]>=3.1.8", "psycopg2-binary==2.9.11"), ("mysqlclient>=2.2", "PyMySQL==1.1.2")]
)
def test_no_driver_is_added_beside_the_one_that_the_project_has(wish, other):
    assert against((other,), (wish,)) == ((), ())
    assert against(("Django==5.2.1",), (wish,)) == ((wish,), ())
