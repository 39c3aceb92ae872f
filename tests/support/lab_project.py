"""The shop of `live_site`, with what the stories of the lab ask of a project: jobs, a clock, websockets, releases that differ.

    shop = lab_project(tmp_path / "shop", jobs=True)
    shop.serve_on(web_1, certificate="local-ca")
    shop.version(2)

Every answer of Django names its release in `X-Version`. Paths: / (a page with rows counted, hashed CSS), /version, /slow
(2 s), /upload (a body, or a form's file `cover`, told by its length), /books (POST adds a row), /whoami (what the project
believes of the visitor), /jobs (POST `name` and `seconds` hands one to the worker; GET tells every one), /socket (with
`sockets`: answers each word with the version).
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

from live_site import MODELS, PROJECT, SETTINGS, URLS, VIEWS


DOMAIN = "shop.example"

VERSIONED = """
from books.version import VERSION


def versioned(get_response):
    def answer(request):
        response = get_response(request)
        response["X-Version"] = str(VERSION)
        return response

    return answer
"""
MORE_VIEWS = """

def version(request):
    return HttpResponse(str(VERSION))


def whoami(request):
    headers = {name: value for name, value in request.headers.items() if name != "Cookie"}
    return JsonResponse({
        "address": request.META.get("REMOTE_ADDR"), "secure": request.is_secure(), "host": request.get_host(),
        "pid": os.getpid(), "uid": os.getuid(), "headers": headers,
    })


@csrf_exempt
def upload(request):
    file = request.FILES.get("cover")
    return HttpResponse(str(file.size if file else len(request.body)))
"""
JOBS_VIEW = """

@csrf_exempt
def jobs(request):
    if request.method == "POST":
        job = Job.objects.create(name=request.POST["name"], seconds=request.POST["seconds"])
        hand_out(job)
    return JsonResponse(list(Job.objects.order_by("id").values("name", "seconds", "runs", "started", "ended")), safe=False)
"""
JOB = """

class Job(models.Model):
    name = models.CharField(max_length=200)
    seconds = models.FloatField(default=0)
    runs = models.IntegerField(default=0)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)


class Tick(models.Model):
    second = models.BigIntegerField()
"""
JOB_MIGRATION = """
from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [
        migrations.CreateModel("Job", [
            ID, ("name", models.CharField(max_length=200)), ("seconds", models.FloatField(default=0)),
            ("runs", models.IntegerField(default=0)), ("started", models.DateTimeField(null=True)),
            ("ended", models.DateTimeField(null=True)),
        ]),
        migrations.CreateModel("Tick", [ID, ("second", models.BigIntegerField())]),
    ]
"""
RUNNING = """
import time

from django.db.models import F
from django.utils import timezone

from books.models import Job


def run(pk):
    Job.objects.filter(pk=pk).update(runs=F("runs") + 1, started=timezone.now())
    time.sleep(Job.objects.get(pk=pk).seconds)
    Job.objects.filter(pk=pk).update(ended=timezone.now())
"""
OWN_QUEUE = """
def hand_out(job):
    pass  # the worker reads the table
"""
WORK = """
import signal
import time

from django.core.management.base import BaseCommand
from django.utils import timezone

from books.models import Job
from books.running import run


class Command(BaseCommand):
    going = True

    def handle(self, **options):
        signal.signal(signal.SIGTERM, self.stop)
        print("worker begins", flush=True)
        while self.going:
            job = Job.objects.filter(started=None).order_by("id").first()
            if job and Job.objects.filter(pk=job.pk, started=None).update(started=timezone.now()):  # ours, not another's
                run(job.pk)
            else:
                time.sleep(0.1)
        print("worker ends", flush=True)

    def stop(self, *_signal):
        self.going = False
"""
BEAT = """
import time

from django.core.management.base import BaseCommand
from django.db.models import Max

from books.models import Tick


class Command(BaseCommand):
    def handle(self, **options):
        last = Tick.objects.aggregate(last=Max("second"))["last"] or 0
        print("beat begins", flush=True)
        while True:
            if (now := int(time.time())) > last:
                Tick.objects.create(second=now)  # two for one second: two of us were alive
                last = now
            time.sleep(0.05)
"""
CELERY = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
CELERY_SETTINGS = """
import os
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0")
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULE = {"tick": {"task": "books.tasks.tick", "schedule": 1.0}}
"""
TASKS = """
import time

from celery import shared_task


@shared_task(acks_late=False)
def run_job(pk):
    from books.running import run

    run(pk)


@shared_task
def tick():
    from books.models import Tick

    Tick.objects.create(second=int(time.time()))
"""
CELERY_QUEUE = """
def hand_out(job):
    from books.tasks import run_job

    run_job.delay(job.pk)
"""
ASGI = """
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
pages = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return await pages(scope, receive, send)
    from books.version import VERSION

    while True:
        event = await receive()
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif event["type"] == "websocket.disconnect":
            return
        else:
            await send({"type": "websocket.send", "text": str(VERSION)})
"""


@dataclass(frozen=True)
class LabProject:
    root: Path

    def write(self, **files: str | bytes | None) -> LabProject:
        """Paths to contents, None takes a file away: `write(**{"books/views.py": ...})`."""
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

    def version(self, number: object) -> LabProject:
        """The next release, told by every answer."""
        return self.write(**{"books/version.py": f"VERSION = {number!r}\n"})

    def broken(self) -> LabProject:
        """A release that boots and answers 500 to everything."""
        return self.write(**{"books/versioned.py": "def versioned(get_response):\n    return lambda request: 1 / 0\n"})

    def mended(self) -> LabProject:
        return self.write(**{"books/versioned.py": VERSIONED})

    def serve_on(self, *hosts: object, more: str = "", certificate: str = "local-ca", domain: str = DOMAIN) -> LabProject:
        """A nuages.toml for these hosts (each with `name`, `address` and `ssh_config`); `more` goes in front of the tables."""
        lines = [f"domains = [{json.dumps(domain)}]" if domain else "", more, "[tls]", f'certificate = "{certificate}"']
        for host in hosts:
            lines += [f"[hosts.{host.name}]", f'address = "{host.address}"', f'ssh_config = "{host.ssh_config}"']  # type: ignore[attr-defined]
        return self.write(**{"nuages.toml": "\n".join(lines) + "\n"})


def lab_project(root: Path, *, jobs: bool = False, celery: bool = False, sockets: bool = False) -> LabProject:
    """`jobs`: a worker and a beat of the project's own, over a table; with `celery`, Celery's. `sockets`: ASGI."""
    jobs = jobs or celery
    urls = URLS.replace(
        '    path("", views.home)', '    path("version", views.version), path("whoami", views.whoami),\n    path("", views.home)'
    )
    views = (
        VIEWS.replace(VIEWS[VIEWS.index("@csrf_exempt\ndef upload") : VIEWS.index("@csrf_exempt\ndef cover")], "") + MORE_VIEWS
    )
    settings = SETTINGS.replace("MIDDLEWARE = [", 'MIDDLEWARE = [\n    "books.versioned.versioned",')
    files = {
        "shop/settings.py": settings + ('ASGI_APPLICATION = "shop.asgi.application"\n' if sockets else ""),
        "shop/urls.py": urls,
        "books/views.py": views,
        "books/versioned.py": VERSIONED,
        "Procfile": "web: gunicorn shop.wsgi\n",
        "worker.py": None,
    }
    if sockets:
        files |= {"shop/asgi.py": ASGI, "Procfile": "web: uvicorn shop.asgi:application\n"}
        files["requirements.txt"] = PROJECT["requirements.txt"] + "uvicorn\n"
    project = LabProject(root).write(**PROJECT).write(**files)
    return _with_jobs(project, celery=celery) if jobs else project


def _with_jobs(project: LabProject, *, celery: bool) -> LabProject:
    read = {
        path: (project.root / path).read_text() for path in ("books/views.py", "shop/urls.py", "shop/settings.py", "Procfile")
    }
    given = (project.root / "requirements.txt").read_text()
    views = read["books/views.py"].replace("import Book\n", "import Book, Job\nfrom books.queue import hand_out\n") + JOBS_VIEW
    project.write(
        **{
            "books/models.py": MODELS + JOB,
            "books/migrations/0002_jobs.py": JOB_MIGRATION,
            "books/running.py": RUNNING,
            "books/views.py": views,
            "shop/urls.py": read["shop/urls.py"].replace(
                'path("", views.home)', 'path("jobs", views.jobs), path("", views.home)'
            ),
            "books/queue.py": CELERY_QUEUE if celery else OWN_QUEUE,
        }
    )
    if not celery:
        commands = {"__init__.py": "", "commands/__init__.py": "", "commands/work.py": WORK, "commands/beat.py": BEAT}
        project.write(**{f"books/management/{path}": text for path, text in commands.items()})
        return project.write(Procfile=read["Procfile"] + "worker: python manage.py work\nbeat: python manage.py beat\n")
    return project.write(
        **{
            "shop/celery.py": CELERY,
            "shop/__init__.py": "from shop.celery import app\n",
            "shop/settings.py": read["shop/settings.py"] + CELERY_SETTINGS,
            "books/tasks.py": TASKS,
            "requirements.txt": given + "celery[redis]\n",
            "Procfile": read["Procfile"] + "worker: celery -A shop worker --concurrency 1\nbeat: celery -A shop beat\n",
        }
    )
