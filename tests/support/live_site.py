"""A small Django project on disk, and Nuages as its users run it: the real command, processes and HTTP, on loopback."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


NUAGES = Path(sys.executable).with_name("nuages")
# CI takes small counts; NUAGES_FULL=1 those of the promise.
FULL = os.environ.get("NUAGES_FULL") == "1"
REQUIREMENTS = "django>=5.2,<5.3\n"

MANAGE = """
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
WSGI = """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
"""
SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-of-a-developer-0123456789012345678901234567890"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
    "django.contrib.staticfiles", "books",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
USE_TZ = True
STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / "media"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_REDIRECT_URL = "/me"
"""
URLS = """
from django.contrib.auth.views import LoginView
from django.urls import path
from books import views

urlpatterns = [
    path("", views.home), path("slow", views.slow), path("upload", views.upload), path("cover", views.cover),
    path("books", views.books), path("me", views.me), path("variable/<name>", views.variable), path("fail", views.fail),
    path("login", LoginView.as_view(template_name="books/login.html")),
]
"""
VIEWS = """
import logging
import os
import time

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from books.models import Book
from books.version import VERSION


def home(request):
    response = render(request, "books/home.html", {"version": VERSION, "count": Book.objects.count()})
    response["X-Pid"] = str(os.getpid())
    return response


def slow(request):
    time.sleep(2)
    return HttpResponse("slow")


@csrf_exempt
def upload(request):
    return HttpResponse(str(len(request.body)))


@csrf_exempt
def cover(request):
    file = request.FILES["cover"]
    return HttpResponse(default_storage.url(default_storage.save(file.name, file)))


@csrf_exempt
def books(request):
    if request.method == "POST":
        Book.objects.create(title=request.POST["title"])
    return JsonResponse(list(Book.objects.order_by("id").values_list("title", flat=True)), safe=False)


@login_required(login_url="/login")
def me(request):
    return HttpResponse(request.user.username)


def variable(request, name):
    return JsonResponse(os.environ.get(name), safe=False)


def fail(request):
    logging.getLogger("books").warning("about to fail")
    raise RuntimeError("the view fails")
"""
MODELS = """
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
"""
FIRST_MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Book", [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("title", models.CharField(max_length=200)),
    ])]
"""
HOME = """{% load static %}<!doctype html><title>Shop</title>
<link rel="stylesheet" href="{% static 'books/site.css' %}">
<p>version {{ version }}, {{ count }} books</p>
"""
LOGIN = """<form method="post">{% csrf_token %}{{ form }}</form>
"""
WORKER = """
import os, signal, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("worker begins", flush=True)
while True:
    time.sleep(0.5)
"""
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c489".replace(" ", ""))

PROJECT = {
    "manage.py": MANAGE,
    "requirements.txt": REQUIREMENTS,
    "Procfile": "web: gunicorn shop.wsgi\nworker: python worker.py\n",
    "worker.py": WORKER,
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/urls.py": URLS,
    "shop/wsgi.py": WSGI,
    "books/__init__.py": "",
    "books/models.py": MODELS,
    "books/views.py": VIEWS,
    "books/version.py": "VERSION = 1\n",
    "books/migrations/__init__.py": "",
    "books/migrations/0001_initial.py": FIRST_MIGRATION,
    "books/templates/books/home.html": HOME,
    "books/templates/books/login.html": LOGIN,
    "books/static/books/site.css": "body { background: url(paper.png) }\n",
    "books/static/books/paper.png": PNG,
}


def free_port() -> int:
    """A random one from 18000 on, so that tests beside each other don't meet."""
    while True:
        port = random.randrange(18000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


class Site:
    """One project and its own state directory. `write` edits the project, `nuages` is the command in its folder."""

    def __init__(self, folder: Path, name: str = "shop") -> None:
        self.root, self.data = folder / name, folder / "state"
        self.name = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
        self.port = free_port()
        self.write(**PROJECT)

    # --- the project -------------------------------------------------------------------------------------

    def write(self, **files: str | bytes | None) -> Site:
        """Paths to contents; None takes a file away. (Keyword names may be paths: `write(**{"a/b.py": ...})`.)"""
        for path, content in files.items():
            place = self.root / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                place.write_bytes(content)
            else:
                place.write_text(textwrap.dedent(content).lstrip("\n"), encoding="utf-8")
        return self

    def version(self, number: object) -> Site:
        return self.write(**{"books/version.py": f"VERSION = {number!r}\n"})

    # --- the command -------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The caller's own (certificates, mirrors, proxies of this machine), without what belongs to this test run."""
        ours = ("PYTHONPATH", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "COLUMNS")
        env = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith(("NUAGES_", "PYTEST_", "COV_"))}
        return env | {"XDG_DATA_HOME": str(self.data), "NO_COLOR": "1"}

    def start_nuages(self, *words: object, **options: object) -> subprocess.Popen[str]:
        argv = [str(NUAGES), *map(str, words)]
        return subprocess.Popen(
            argv,
            cwd=self.root,
            env=self.environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def nuages(
        self, *words: object, check: bool = True, said: str = "", timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """`said` is what a person types on standard input."""
        argv = [str(NUAGES), *map(str, words)]
        done = subprocess.run(
            argv,
            cwd=self.root,
            env=self.environment(),
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"nuages {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def up(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.nuages("up", "--detach", "--port", self.port, *words)

    def release(self) -> int:
        """Deploy the project as it is now; the number of its release."""
        self.nuages("up", "--detach")
        return int(self.status()["release"])

    def refused(self, *words: object, said: str = "") -> str:
        """What a command that must fail says, from its `nuages: ...` on."""
        done = self.nuages(*(words or ("up", "--detach", "--port", self.port)), check=False, said=said)
        assert done.returncode not in (0, 2), done.stdout + done.stderr
        lines = done.stderr.splitlines()
        begin = next(i for i, line in enumerate(lines) if line.startswith("nuages: "))
        return "\n".join(lines[begin:])

    def status(self) -> dict:
        return json.loads(self.nuages("status", "--json", check=False).stdout)

    @property
    def state(self) -> Path:
        return self.data / "nuages" / self.name

    def pids(self) -> dict[int, str]:
        """Every process that names this site's folders in its arguments, environment or working directory."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                told += os.readlink(entry / "cwd").encode()
                if str(self.state).encode() in told and int(entry.name) != os.getpid():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return found

    def kill_everything(self) -> None:
        """As a power cut would: every process of the site at once."""
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)  # nobody respawns anybody meanwhile
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self.pids())

    # --- as a visitor ------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str = "/") -> str:
        return Browser(self).get(path)

    def answer(self, path: str = "/") -> tuple[int, str]:
        return Browser(self).answer(path)

    def close(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.nuages("down", check=False, timeout=60)
        self.kill_everything()
        shutil.rmtree(self.data, ignore_errors=True)


class Browser:
    """Keeps cookies, as a visitor who stays logged in."""

    def __init__(self, site: Site) -> None:
        self.site, self.jar = site, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar))

    def answer(self, path: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        request = urllib.request.Request(self.site.url + path, data, headers or {})
        try:
            with self.opener.open(request, timeout=15) as response:
                return response.status, response.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def get(self, path: str) -> str:
        status, body = self.answer(path)
        assert status == 200, (status, body[:500])
        return body

    def post(self, path: str, **fields: str) -> str:
        status, body = self.answer(path, urllib.parse.urlencode(fields).encode())
        assert status == 200, (status, body[:500])
        return body

    def log_in(self, username: str, password: str) -> None:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get("/login"))
        assert token
        answer = self.post("/login", username=username, password=password, csrfmiddlewaretoken=token[1])
        assert answer == username

    def send_file(self, path: str, field: str, name: str, content: bytes) -> str:
        head = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--edge--\r\n"
        status, text = self.answer(path, body, {"Content-Type": "multipart/form-data; boundary=edge"})
        assert status == 200, text
        return text


def eventually(condition: object, timeout: float = 15) -> object:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def a_site(folder: Path, name: str = "shop") -> object:
    """For fixtures: a site that is gone afterwards, whatever happened."""
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(folder, name)
    try:
        yield site
    finally:
        site.close()
