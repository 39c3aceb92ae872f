"""A quiet site keeps its mail, whatever the project, Django and the environment say; nothing of it runs by the clock."""

from __future__ import annotations

from dataclasses import replace

import django
import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from nuages_runtime import overlay

from nuages.components.supervisor.systemd import Systemd
from nuages.settings.configuration import Configuration, process_environment, rolled_back, set_quiet
from nuages.testing import shop_placement
from nuages.topology.model import Cron


FILES = "django.core.mail.backends.filebased.EmailBackend"
POLICY = {
    "site": "shop",
    "project": "/p",
    "manage_dir": "/p",
    "data_dir": "/srv/shop/shared/data",
    "workers": 2,
    "interface": "wsgi",
}
QUIET = {"NUAGES_QUIET": "1"}
SMTP = {"EMAIL_URL": "smtps://me:pass@mail.example"}
BEAT = {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile", "note": ""}


def laid(own, environ):
    return {**own, **overlay.apply(dict(own), POLICY, environ).values}


@pytest.mark.parametrize("own", [{}, {"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend"}, {"EMAIL_HOST": "mail.example"}])
@pytest.mark.parametrize("environ", [QUIET, {**QUIET, **SMTP}])
def test_mail_goes_into_a_folder_whoever_would_have_sent_it(own, environ):
    found = laid(own, environ)
    assert found["EMAIL_BACKEND"] == FILES
    assert found["EMAIL_FILE_PATH"] == "/srv/shop/shared/data/unsent-mail"


@pytest.mark.parametrize(
    "own", [{}, {"MAILERS": {"default": {"BACKEND": "x.Y"}, "news": {"BACKEND": "x.Y", "OPTIONS": {"key": "k"}}}}]
)
def test_every_one_of_djangos_new_mailers_too(own, monkeypatch):
    monkeypatch.setattr(django, "VERSION", (6, 1, 0, "final", 0))
    found = laid(own, {**QUIET, **SMTP})
    assert set(found["MAILERS"]) == {"default", *own.get("MAILERS", {})}
    kept = {"BACKEND": FILES, "OPTIONS": {"file_path": "/srv/shop/shared/data/unsent-mail"}}
    assert all(entry == kept for entry in found["MAILERS"].values())


def test_without_it_mail_is_sent():
    assert laid({}, SMTP).get("EMAIL_BACKEND") != FILES


def test_neither_scheduler_nor_jobs_of_the_clock_run_but_workers_do():
    loud = shop_placement(processes=[BEAT], cron=(Cron("tidy", "tidy", "* * * * *"),))
    quiet = replace(loud, env={**loud.env, **QUIET})
    for placement, beats, timers in ((loud, 1, 1), (quiet, 0, 0)):
        assert sum(p.instances for p in Systemd().processes(placement) if p.kind == "scheduler") == beats
        (units,) = Systemd().describe(placement)
        assert len([file for file in units.files if file.path.endswith(".timer")]) == timers


def test_it_is_a_version_of_the_configuration_and_no_rollback_ends_it():
    loud = Configuration(version=3, env={"A": "1"})
    quiet = set_quiet(replace(loud, version=4, env={}), quiet=True)
    assert (quiet.version, set_quiet(quiet, quiet=True)) == (5, quiet)
    assert process_environment(quiet, ())["NUAGES_QUIET"] == "1"
    assert "NUAGES_QUIET" not in process_environment(loud, ())
    assert rolled_back(loud, quiet).quiet
