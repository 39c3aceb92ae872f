"""What the audit finds inside a running project: one where everything is wrong, and one where nothing is.

Each runs once, in a process of its own, since Django's settings are one per process.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nuages.settings.checks.catalog import CATALOG


RUNTIME = Path(__file__).parents[3] / "src/nuages/runtime"
RUN = """
import json, sys
import django
django.setup()
from nuages_runtime import audit
json.dump(audit.run(sys.argv[1]), open(sys.argv[2], "w"))
"""

GOOD = {
    "shop/__init__.py": "",
    "shop/settings.py": """
from pathlib import Path
BASE = Path(__file__).parent.parent
SECRET_KEY, DEBUG, ALLOWED_HOSTS, ROOT_URLCONF = "k" * 50, False, ["*"], "shop.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.staticfiles", "books"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE / "templates"], "APP_DIRS": True}]
STATICFILES_DIRS, STATIC_URL = [BASE / "assets"], "/static/"
DATABASES = {"default": {"ENGINE": "shop.postgresql", "NAME": ":memory:", "CONN_MAX_AGE": 60}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ADMINS = [("a", "a@shop.example")]
""",
    "shop/urls.py": "urlpatterns = []\n",
    # Named like PostgreSQL's, so that the drivers need not be installed.
    "shop/postgresql/__init__.py": "",
    "shop/postgresql/base.py": "from django.db.backends.sqlite3.base import DatabaseWrapper\n",
    "books/__init__.py": "",
    "books/models.py": """
from django.db import models
class Book(models.Model):
    title = models.CharField(max_length=9)
""",
    "books/migrations/__init__.py": "",
    "books/migrations/0001_initial.py": """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Book", [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("title", models.CharField(max_length=9))])]
""",
    "assets/a.css": "",
    "templates/base.html": "{% load static %}{% static 'a.css' %}{% static '' %}{% include widget %}",
    "templates/404.html": "{% extends 'base.html' %}",
}

BAD = {
    **GOOD,
    "shop/__init__.py": "class PickleSerializer: pass\n",
    "shop/settings.py": GOOD["shop/settings.py"]
    + """
INSTALLED_APPS += ["silk", "corsheaders"]
MIDDLEWARE += ["corsheaders.Middleware", "silk.Middleware", "pyinstrument.Middleware"]
STATICFILES_DIRS = [BASE / "assets", BASE / "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True},
             "pool": {"ENGINE": "shop.postgresql", "NAME": ":memory:", "CONN_MAX_AGE": 60, "OPTIONS": {"pool": True}},
             "slow": {"ENGINE": "shop.postgresql", "NAME": ":memory:"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
          "files": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "/nowhere"},
          "gone": {"BACKEND": "shop.missing.Cache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_SERIALIZER = "shop.PickleSerializer"
CORS_ALLOW_ALL_ORIGINS = CORS_ALLOW_CREDENTIALS = True
SESSION_COOKIE_SAMESITE = "None"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
LOGGING = {"version": 1, "handlers": {"f": {"class": "logging.FileHandler", "filename": "debug.log", "delay": True}}}
STATICFILES_STORAGE = "whitenoise.storage.CompressedStaticFilesStorage"
ADMINS = []
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
""",
    "silk/__init__.py": "def Middleware(get): return get\n",
    "silk/views.py": "def page(request): pass\n",
    "corsheaders/__init__.py": "def Middleware(get): return get\n",
    "pyinstrument/__init__.py": "def Middleware(get): return get\n",
    "shop/urls.py": """
from django.urls import include, path
from silk.views import page
async def slow(request): pass
urlpatterns = [path("slow/", slow), path("silk/", include([path("", page)]))]
""",
    "books/models.py": """
from django.db import models
class Book(models.Model):
    title = models.CharField(max_length=90)
    cover = models.FileField(default='')
""",
    "templates/broken.html": "\n{% nonsense %}",
    "templates/child.html": "{% extends 'nobody.html' %}",
    "templates/page.html": "{% load static %}{% static 'gone.css' %}",
    "templates/404.html": "{% load static %}\n{{ x|add }}",
    "templates/403.html": "{% url 'nowhere' %}",
}

CONFLICT = {
    **GOOD,
    "shop/settings.py": GOOD["shop/settings.py"]
    + 'SESSION_ENGINE = "django.contrib.sessions.backends.file"\nEMAIL_BACKEND = "shop.gone.Backend"\n',
    "shop/urls.py": "from shop.pages import lost as handler404\nurlpatterns = []\n",
    "shop/pages.py": "from django.contrib.auth.models import User\ndef lost(request, exception): return User.objects.first()\n",
    "books/models.py": GOOD["books/models.py"].replace("9", "90"),
    "books/migrations/0002_a.py": "from django.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = [('books', '0001_initial')]\n",
    "books/migrations/0002_b.py": "from django.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = [('books', '0001_initial')]\n",
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    known = {}

    def audit(name, files, policy=None):
        if name not in known:
            known[name] = run_audit(tmp_path_factory.mktemp(name), files, policy or {})
        return known[name]

    return audit


def run_audit(folder, files, policy):
    project = folder / "project"
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    (folder / "lib").mkdir()
    (folder / "lib/nuages_runtime").symlink_to(RUNTIME)
    (folder / "policy.json").write_text(json.dumps({"workers": 2, **policy}))
    out = folder / "found.json"
    env = {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "PYTHONPATH": f"{project}:{folder / 'lib'}",
        "NUAGES_RELEASE": str(folder),
    }
    command = [sys.executable, "-c", RUN, str(project), str(out)]
    subprocess.run(command, env=env, cwd=project, check=True, capture_output=True, timeout=60)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def bad(audited):
    return audited("bad", BAD)


@pytest.fixture(scope="module")
def good(audited):
    return audited("good", GOOD)


@pytest.fixture(scope="module")
def conflict(audited):
    return audited("conflict", CONFLICT)


def of(found, check_id):
    return [f for f in found if f["id"] == check_id]


EXPECTED = {
    "errors.N003": ("warning", "templates/broken.html:2"),
    "errors.N004": ("warning", "templates/child.html"),
    "errors.N005": ("info", "ADMINS"),
    "errors.N006": ("info", "EMAIL_BACKEND"),
    "static.N001": ("warning", "templates/page.html"),
    "static.N004": ("error", "STATICFILES_DIRS"),
    "state.N001": ("info", "STORAGES"),
    "state.N002": ("info", "DATABASES"),
    "state.N003": ("warning", "CHANNEL_LAYERS"),
    "state.N004": ("info", "LOGGING"),
    "caches.N001": ("info", "CACHES"),
    "caches.N002": ("error", "SESSION_ENGINE"),
    "caches.N003": ("info", "CACHES"),
    "caches.N005": ("error", "CACHES"),
    "database.N001": ("info", "DATABASES['slow']"),
    "database.N002": ("error", "ATOMIC_REQUESTS"),
    "database.N003": ("error", "DATABASES['pool']"),
    "database.N004": ("error", "DATABASES['default']"),
    "security.N004": ("error", "CORS_ALLOW_ALL_ORIGINS"),
    "security.N005": ("warning", "SESSION_SERIALIZER"),
    "security.N006": ("warning", "PASSWORD_HASHERS"),
    "debug.N001": ("warning", "pyinstrument.Middleware"),
    "debug.N002": ("error", "silk.Middleware"),
    "settings.N004": ("warning", "STATICFILES_STORAGE"),
    "migrations.N001": ("error", "books"),
}


@pytest.mark.parametrize("check_id", EXPECTED)
def test_the_fault_is_found_once_with_its_severity_and_place(bad, check_id):
    assert [(f["severity"], f["where"]) for f in of(bad, check_id)] == [EXPECTED[check_id]]


def test_error_pages_that_do_not_compile_or_reverse_are_errors(bad):
    assert [(f["severity"], f["where"]) for f in of(bad, "errors.N001")] == [
        ("error", "templates/404.html"),
        ("error", "templates/403.html"),
    ]


def test_a_project_without_faults_has_no_finding(good):
    assert [f for f in good if f["id"] != "audit.ran"] == []


def test_no_check_fails_on_any_of_the_projects(good, bad, conflict):
    assert of(good + bad + conflict, "settings.N002") == []


def test_conflicting_migrations_are_an_error(conflict):
    (one,) = of(conflict, "migrations.N003")
    assert "0002_a, 0002_b" in one["what"]


def test_an_error_page_that_asks_the_database_is_unknown_and_not_an_error(conflict):
    assert [f["severity"] for f in of(conflict, "errors.N002")] == ["unknown"]
    assert not of(conflict, "errors.N001")


def test_the_own_command_of_the_project_is_asked_and_its_failure_is_unknown(audited):
    command = (
        "from django.core.management.base import CommandError\ndef Command(*args, **kwargs): raise CommandError('not here')\n"
    )
    (one,) = of(audited("own", {**GOOD, "books/management/commands/makemigrations.py": command}), "migrations.N005")
    assert one["severity"] == "unknown"
    assert "not here" in one["what"]


def test_sessions_in_files_are_told(conflict):
    assert of(conflict, "caches.N004")


def test_a_mail_backend_that_is_not_there_is_a_warning(conflict):
    assert [f["severity"] for f in of(conflict, "errors.N007")] == ["warning"]


def test_a_changed_length_is_a_warning_and_no_error(audited):
    longer = {**GOOD, "books/models.py": GOOD["books/models.py"].replace("9", "90")}
    (one,) = of(audited("longer", longer), "migrations.N002")
    assert "Alter field title on book" in one["what"]


def test_a_required_field_without_a_default_is_a_missing_migration(audited):
    refused = {
        **GOOD,
        "books/models.py": GOOD["books/models.py"] + "    isbn = models.CharField(max_length=13)\n",
    }
    (one,) = of(audited("refused", refused), "migrations.N001")
    assert (one["severity"], one["where"]) == ("error", "books")


def test_one_worker_may_keep_sessions_and_messages_in_its_memory(audited):
    found = audited("one", BAD, {"workers": 1})
    assert not of(found, "caches.N002")
    assert [f["severity"] for f in of(found, "state.N003")] == ["info"]


def test_a_check_that_waits_for_ever_is_unknown_and_the_others_run(audited):
    waiting = {
        **BAD,
        "silk/__init__.py": "import time\ndef Middleware(get): return lambda request: time.sleep(60)\n",
    }
    found = audited("waiting", {**waiting, "sitecustomize.py": "import nuages_runtime.audit as a; a.LONGEST = 1\n"})
    (one,) = of(found, "settings.N002")
    assert (one["severity"], one["what"]) == ("unknown", "the check took too long: error pages render")
    assert of(found, "state.N002")


def test_the_audit_says_that_it_ran_to_its_end(good, bad):
    assert good[-1]["id"] == bad[-1]["id"] == "audit.ran"


def test_every_id_that_the_audit_can_report_is_in_the_catalog():
    for file in RUNTIME.glob("audit*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding":
                assert node.args[0].value in CATALOG


@pytest.mark.parametrize("file", sorted(RUNTIME.glob("audit*.py")), ids=lambda file: file.name)
def test_the_audit_is_written_for_python_3_8(file):
    ast.parse(file.read_text(), feature_version=(3, 8))
