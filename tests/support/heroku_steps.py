"""The steps of the MDN tutorial's part on Heroku (Django Tutorial Part 11, as it was), with `nuages` for `heroku`.

They are played on a project like the tutorial's (`examples/library`), or on the tutorial's own where NUAGES_MDN_TUTORIAL
names a clone of github.com/mdn/django-locallibrary-tutorial.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from live_site import NUAGES


EXAMPLE = Path(__file__).parents[2] / "examples" / "library"
WHO = ("-c", "user.name=You", "-c", "user.email=you@example.org")
PASSWORD = "tr0mbone-Lagoon-77"
LONG = 900


def tutorial(folder: Path) -> Path:
    """The project in a repository of its own, on a branch called main."""
    source = Path(os.environ.get("NUAGES_MDN_TUTORIAL") or EXAMPLE)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".git", "nuages.toml", "__pycache__", "db.sqlite3"))
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "As the tutorial ends")):
        subprocess.run(["git", *WHO, *words], cwd=folder, check=True)
    return folder


@dataclass
class Player:
    """Types lines in a folder, as a person does."""

    folder: Path
    state: Path
    environ: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("NUAGES_", "PYTEST_", "GIT_", "COV_", "VIRTUAL_ENV"))}
        path = f"{NUAGES.parent}{os.pathsep}{env.get('PATH', os.defpath)}"
        return {
            **env,
            "PATH": path,
            "XDG_DATA_HOME": str(self.state),
            "NO_COLOR": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **self.environ,
        }

    def types(self, line: str, *, status: int = 0, said: str = "") -> str:
        """What the line says on both streams."""
        done = subprocess.run(
            shlex.split(line), cwd=self.folder, env=self.environment(), input=said, capture_output=True, text=True, check=False,
            timeout=LONG,
        )  # fmt: skip
        told = done.stdout + done.stderr
        assert done.returncode == status, f"$ {line}: {done.returncode}\n{told}"
        return told

    def commits(self, why: str = "A change", **files: str) -> None:
        for name, content in files.items():
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        self.types(shlex.join(["git", *WHO, "add", "-A"]))
        self.types(shlex.join(["git", *WHO, "commit", "-q", "-m", why]))

    def answers(self, line: str, **replies: str) -> str:
        """At a terminal: each reply is typed once its question is there."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe(shlex.split(line)[0], shlex.split(line), self.environment() | {"TERM": "dumb"})
        told, waiting, deadline = "", list(replies.items()), time.monotonic() + LONG
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    chunk = os.read(terminal, 4096)
                except OSError:
                    break  # the other end is closed: it has ended
                if not chunk:
                    break
                told += chunk.decode(errors="replace")
            if waiting and re.search(rf"{waiting[0][0]}[^\n]*: ?$", told):
                os.write(terminal, waiting.pop(0)[1].encode() + b"\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, told
        os.close(terminal)
        return told

    def follows(self, line: str, until: str, act: object) -> str:
        """A line that goes on until it is interrupted."""
        process = subprocess.Popen(
            shlex.split(line), cwd=self.folder, env=self.environment(), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        told, deadline = "", time.monotonic() + 60
        try:
            while until not in told:
                assert time.monotonic() < deadline, told
                act()
                if select.select([process.stdout], [], [], 0.5)[0]:
                    told += os.read(process.stdout.fileno(), 65536).decode(errors="replace")
        finally:
            process.terminate()
            process.wait(10)
            process.stdout.close()
        return told


def visit(url: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return answer.status


def play(person: Player, create: str) -> str:
    """Every line of the tutorial, in its order; the address of the site. `create` has the server's address behind it."""
    assert "nuages::production" in person.types(create)
    assert "production\tnuages::production (push)" in person.types("git remote -v")
    told = person.types("git push production main")
    assert "remote: v1 is live" in told
    assert "main -> main" in told

    assert "No migrations to apply" in person.types("nuages run python manage.py migrate")
    person.answers(
        "nuages run python manage.py createsuperuser",
        Username="librarian", Email="librarian@example.org", Password=PASSWORD, **{r"Password \(again\)": PASSWORD},
    )  # fmt: skip
    check = f"from django.contrib.auth import authenticate as a; print(a(username='librarian', password='{PASSWORD}'))"
    assert "librarian" in person.types(shlex.join(["nuages", "run", "python", "manage.py", "shell", "-c", check]))
    url = re.search(r"http\S+", person.types("nuages open"))[0]
    assert visit(url) == 200

    assert "database" in person.types("nuages addons")
    person.types("nuages config")
    person.types("nuages config:set DJANGO_SECRET_KEY=eu09-8ileenuc6d$2oxfjfo9d^qy!3zv")
    person.types("nuages config:set DJANGO_DEBUG=''")
    assert {"DJANGO_SECRET_KEY", "DJANGO_DEBUG"} <= set(person.types("nuages config").split())
    assert "DJANGO_SECRET_KEY='eu09-8ileenuc6d$2oxfjfo9d^qy!3zv'" in person.types("nuages config -s")

    assert "Usage: nuages" in person.types("nuages help")
    assert "GET /" in person.types("nuages logs")
    assert "GET /?tail" in person.follows("nuages logs --tail", "GET /?tail", lambda: visit(f"{url}?tail"))
    assert "web" in person.types("nuages ps")
    return url


def play_static(person: Player, url: str) -> None:
    """DEBUG_COLLECTSTATIC tells what is copied; DISABLE_COLLECTSTATIC leaves it out. Both count from the next push on."""
    person.types("nuages config:set DEBUG_COLLECTSTATIC=1")
    person.commits(**{"catalog/static/css/more.css": "body { color: black }\n"})
    assert re.search(r"remote: +Copying '\S+more\.css'", person.types("git push production main"))
    person.types("nuages config:unset DEBUG_COLLECTSTATIC")
    person.types("nuages config:set DISABLE_COLLECTSTATIC=1")
    person.commits(**{"catalog/static/css/most.css": "body { color: navy }\n"})
    assert "static files are not collected" in person.types("git push production main")
    assert visit(url) == 200
    person.types("nuages config:unset DISABLE_COLLECTSTATIC")


def play_pushes(person: Player, url: str) -> None:
    """What is pushed is the commit, and a push that fails its deploy says so as git would."""
    assert "Everything up-to-date" in person.types("git push production main")
    (person.folder / "catalog" / "urls.py").write_text("raise RuntimeError('nobody committed this')\n")
    (person.folder / "untracked.py").write_text("")
    person.types("git checkout -q -b feature")
    person.types(shlex.join(["git", *WHO, "commit", "-q", "--allow-empty", "-m", "Empty"]))
    assert "feature -> main" in person.types("git push production feature:main")
    assert visit(url) == 200
    person.types("git checkout -q catalog/urls.py")
    (person.folder / "untracked.py").unlink()

    person.commits("Broken", **{"catalog/views.py": "this is no Python\n"})
    told = person.types("git push production feature:main", status=1)
    assert "! [remote rejected] feature -> main (deploy failed: " in told
    assert "catalog/views.py" in told
    assert visit(url) == 200
    told = person.types("git push production feature", status=1)
    assert "only main (or master) is deployed" in told
    person.types("git checkout -q main")
