"""A Heroku app, read: what comes along, what does not, and why."""

from __future__ import annotations

import importlib
import json

import pytest

from nuages.errors import ProjectError
from nuages.project.heroku import Variable, parse_app_json, services_elsewhere, why_dropped


propose = importlib.import_module("nuages.cli.import").propose
APP = {
    "name": "The Shop",
    "env": {
        "DJANGO_SECRET_KEY": {"generator": "secret"}, "SHELVES": "12", "MAYBE": {"required": False},
        "PAYMENT_KEY": {"description": "of the bank", "required": True}, "DATABASE_URL": {"required": True},
    },
    "formation": {"web": {"quantity": 2}, "worker": {"quantity": 3}, "clock": {"quantity": 0}},
    "addons": ["memcachier:dev", {"plan": "scheduler:standard"}],
    "buildpacks": [{"url": "heroku/python"}, {"url": "https://example.org/odd"}],
    "scripts": {"postdeploy": {"command": "python manage.py loaddata books"}},
    "environments": {"review": {}},
}  # fmt: skip
EXPORTED = {
    "DATABASE_URL": "postgres://u:p@ec2:5432/d", "REDIS_URL": "rediss://:p@ec2:6379", "CELERY_BROKER_URL": "rediss://:p@ec2:6379",
    "SENDGRID_API_KEY": "SG.x", "PORT": "5000", "MEMCACHIER_SERVERS": "mc:11211", "WEB_CONCURRENCY": "4",
}  # fmt: skip


@pytest.fixture
def proposal(tmp_path):
    (tmp_path / "app.json").write_text(json.dumps(APP))
    (tmp_path / "Procfile").write_text(
        "web: gunicorn shop.wsgi\nworker: celery -A shop worker\nrelease: python manage.py migrate\n"
    )
    (tmp_path / "runtime.txt").write_text("python-3.12.4\n")
    return propose(tmp_path, EXPORTED, ("root@192.0.2.11",))


def test_app_json_is_read_in_all_its_forms():
    app = parse_app_json(json.dumps(APP))
    assert app.variables[0] == Variable("DJANGO_SECRET_KEY", generated=True)
    assert app.addons == ("memcachier:dev", "scheduler:standard")
    assert app.postdeploy == "python manage.py loaddata books"
    with pytest.raises(ProjectError, match="is not valid JSON"):
        parse_app_json("{")


def test_nuages_toml_is_proposed(proposal):
    assert proposal.keys == {
        ("name",): "the-shop", ("scale", "worker"): 3, ("hosts", "web-1", "address"): "root@192.0.2.11",
        ("services", "cache"): "memcached",
    }  # fmt: skip


def test_variables_come_along_but_those_that_nuages_gives(proposal):
    assert set(proposal.values) == {"SENDGRID_API_KEY", "SHELVES", "DJANGO_SECRET_KEY"}
    assert len(proposal.values["DJANGO_SECRET_KEY"]) == 64
    assert set(proposal.dropped) == {
        "DATABASE_URL",
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "PORT",
        "MEMCACHIER_SERVERS",
        "WEB_CONCURRENCY",
    }
    assert proposal.missing == ("PAYMENT_KEY (of the bank)",)


def test_what_has_no_counterpart_is_said(proposal):
    told = "\n".join(proposal.notes)
    for words in ("scheduler:standard: no file tells its jobs", "https://example.org/odd: it has no counterpart", "clock was scaled to 0",
                  "nuages run python manage.py loaddata books", "app.json environments", "runtime.txt: python-3.12.4"):  # fmt: skip
        assert words in told


@pytest.mark.parametrize("name", ["SECRET_KEY", "DISABLE_COLLECTSTATIC", "AWS_ACCESS_KEY_ID", "SENTRY_DSN", "MY_PORT"])
def test_what_is_the_users_own_is_kept(name):
    assert why_dropped(name, "x", {}) == ""


def test_a_variable_that_repeats_herokus_database_does_not_come_along():
    given = services_elsewhere(EXPORTED)
    assert "REDIS_URL" in why_dropped("QUEUE", EXPORTED["REDIS_URL"], given)


def test_the_proposal_shows_no_value(proposal):
    assert "SG.x" not in repr(proposal)
