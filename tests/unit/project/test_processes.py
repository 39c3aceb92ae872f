"""Processes: what the Procfile says, and what the probe's facts lead to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mini import ASGI, shop, topology

from nuages.project.processes import choose_interface, detect_processes
from nuages.project.reading import read_files


HONOURED = "honoured as it is, with $PORT; static files are its own business"
CELERY = {"app": "shop", "attribute": "app", "beat": True, "queues": []}


@pytest.fixture
def detect(tmp_path):
    def detect(tasks=None, procfile="", files=None, **declared):
        more = {**(files or {}), **({"Procfile": procfile} if procfile else {})}
        root = shop(tmp_path, more)
        declared = topology(root, **declared)
        return detect_processes(read_files(root, declared), declared, {"tasks": tasks or {}}, "wsgi")

    return detect


@pytest.mark.parametrize(
    ("tasks", "commands"),
    [
        (
            {"celery": CELERY},
            ["celery -A shop worker --loglevel=INFO", "celery -A shop beat --loglevel=INFO"],
        ),
        ({"celery": {**CELERY, "always_eager": True}}, []),
        ({"celery": {"error": "ImportError"}}, []),
        ({"django_q": {"workers": 4}}, ["python manage.py qcluster"]),
        ({"huey": {"immediate": False}}, ["python manage.py run_huey"]),
        ({"huey": {"immediate": True}}, []),
        (
            {"rq": {"queues": ["high", "default"], "scheduler": True}},
            ["python manage.py rqworker high default --with-scheduler"],
        ),
        ({"dramatiq": {"broker": "dramatiq.brokers.redis.RedisBroker"}}, ["python manage.py rundramatiq"]),
        ({"django_tasks": {"commands": ["db_worker"]}}, ["python manage.py db_worker"]),
    ],
)
def test_background_work_is_started_by_its_own_command(detect, tasks, commands):
    assert [p.command for p in detect(tasks)[1:]] == commands


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "gunicorn shop.wsgi --workers 3",
            "gunicorn is translated to the embedded server over WSGI: shop.wsgi:application (workers 3)",
        ),
        (
            "python manage.py migrate && gunicorn shop.wsgi:app -w 2",
            "gunicorn is translated to the embedded server over WSGI: shop.wsgi:app (workers 2)",
        ),
        (
            "uwsgi ./etc/uwsgi.ini",
            "uwsgi is translated to the embedded server over WSGI: shop.wsgi:application",
        ),
        (
            "python manage.py runserver 0.0.0.0:$PORT",
            "runserver is translated to the embedded server over WSGI: shop.wsgi:application",
        ),
        ("bash start.sh", HONOURED),
        ("python manage.py load && gunicorn shop.wsgi", HONOURED),
        ("gunicorn 'shop.wsgi", HONOURED),
    ],
)
def test_a_web_line_is_translated_or_honoured_and_which_is_told(detect, line, told):
    assert detect(procfile=f"web: {line}\n")[0].note == told


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (
            "#!/bin/bash\nset -e\n\npython manage.py migrate\n\nexec gunicorn shop.wsgi:app \\\n  --workers 2\n",
            "gunicorn is translated to the embedded server over WSGI: shop.wsgi:app (workers 2)",
        ),
        ("python load.py\ngunicorn shop.wsgi\n", HONOURED),
        ("if true; then\n  gunicorn shop.wsgi\nfi\n", HONOURED),
    ],
)
def test_a_web_line_that_runs_a_script_means_what_the_script_says(detect, script, told):
    assert detect(procfile="web: bash bin/start.sh\n", files={"bin/start.sh": script})[0].note == told


def test_a_procfile_with_any_worker_is_believed_to_name_them_all(detect):
    found = detect({"celery": CELERY}, procfile="web: gunicorn shop.wsgi\njobs: celery -A shop worker\n")
    assert [p.name for p in found] == ["web", "jobs"]


def test_nuages_toml_replaces_adds_and_takes_away_processes(detect):
    found = detect({"celery": CELERY}, processes={"worker": "", "mailer": "python mail.py"})
    assert [p.name for p in found] == ["web", "mailer"]


@pytest.mark.parametrize(
    ("files", "facts", "declared", "interface"),
    [
        ({}, {}, {}, "wsgi"),
        ({"shop/asgi.py": ASGI.format(settings="shop.settings")}, {}, {}, "wsgi"),
        (
            {"shop/asgi.py": ASGI.format(settings="shop.settings")},
            {"channels": {"websocket": True}},
            {},
            "asgi",
        ),
        ({"shop/asgi.py": ASGI.format(settings="shop.settings"), "shop/wsgi.py": None}, {}, {}, "asgi"),
        (
            {
                "shop/asgi.py": ASGI.format(settings="shop.settings"),
                "Procfile": "web: uvicorn shop.asgi:application\n",
            },
            {},
            {},
            "asgi",
        ),
        (
            {"shop/asgi.py": ASGI.format(settings="shop.settings")},
            {"channels": {"websocket": True}},
            {"interface": "wsgi"},
            "wsgi",
        ),
    ],
)
def test_asgi_only_where_it_is_needed(tmp_path, files, facts, declared, interface):
    root = shop(tmp_path, files)
    declared = topology(root, **declared)
    read = read_files(root, declared)
    read = replace(read, wsgi="" if files.get("shop/wsgi.py", "") is None else read.wsgi)
    assert choose_interface(read, declared, facts) == interface


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("python manage.py migrate && python manage.py collectstatic --noinput", "left out: each deploy does this itself"),
        ("python manage.py migrate && python manage.py load_rates", ""),
    ],
)
def test_a_release_line_that_only_does_what_a_deploy_does_is_told_as_left_out(detect, line, told):
    release = next(p for p in detect(procfile=f"web: gunicorn shop.wsgi\nrelease: {line}\n") if p.name == "release")
    assert release.note == told
