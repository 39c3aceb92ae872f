"""Ask the project itself: `python -m nuages_runtime.probe --out FILE`, run in the directory of manage.py.

Runs in a scratch copy by the project's own Python (3.8+), because settings have side effects. The answer is written to
FILE as JSON whatever happens, since settings print. Its shape:

    {"ok": bool, "stage": "setup|urls|wsgi|asgi|done", "failure": {"kind","name","what","where","detail"} | null,
     "problems": [failure, ...]   what failed after django.setup(): the URLs, the entry points
     "environ": [{"name","default","found","where"}], "django", "python", "settings_module",
     "facts": {...see probe_facts.py}, "changes": [...], "readback": [...], "checks": [...], "audit": [...]}
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback

from . import probe_environ, probe_failures
from .entry import set_up
from .probe_json import plain


def main(argv=None):
    options = read_options(argv)
    answer = {"ok": False, "stage": "start", "failure": None, "problems": [], "environ": []}
    recorder = probe_environ.Recorder(options.root)
    recorder.install()
    probe_failures.name_database_files()
    try:
        ask(answer, options, recorder)
    except BaseException as error:  # a settings module may raise SystemExit
        answer["failure"] = probe_failures.describe(error, recorder, options.root)
    finally:
        recorder.uninstall()
        answer["environ"] = recorder.reads()
        write(options.out, answer)
    # Threads and atexit hooks of the project (exporters, profilers) must not keep a finished probe alive.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def read_options(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--root", default=os.getcwd())
    parser.add_argument("--wsgi", default="")
    parser.add_argument("--asgi", default="")
    parser.add_argument("--only-setup", action="store_true")
    options = parser.parse_args(argv)
    options.root = os.path.realpath(options.root)
    return options


def ask(answer, options, recorder):
    sys.path[:0] = [p for p in (os.getcwd(),) if p not in sys.path]
    answer["python"] = "%d.%d.%d" % sys.version_info[:3]
    answer["settings_module"] = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    answer["stage"] = "django"
    import django

    answer["django"] = django.get_version()
    install_hook()
    answer["stage"] = "setup"
    set_up()
    answer["stage"] = "urls"
    for stage, step in stages(options):
        answer["stage"] = stage
        try:
            step()
        except BaseException as error:
            failure = probe_failures.describe(error, recorder, options.root)
            answer["problems"].append(dict(failure, stage=stage))
    answer["stage"] = "facts"
    from . import probe_facts

    answer["facts"] = plain(probe_facts.collect(answer["problems"], options.root))
    answer.update(production(options))
    answer["stage"] = "done"
    answer["ok"] = not answer["problems"]


def install_hook():
    """The venv's hook has done this already, unless the environment was built by somebody else."""
    try:
        hook = importlib.import_module("nuages_runtime.hook")
    except ImportError:
        return
    hook.install()


def stages(options):
    yield "urls", import_urls
    if options.wsgi:
        yield "wsgi", lambda: import_callable(options.wsgi)
    if options.asgi:
        yield "asgi", lambda: import_callable(options.asgi)


def import_urls():
    from django.conf import settings
    from django.urls import get_resolver

    if getattr(settings, "ROOT_URLCONF", None):
        resolver = get_resolver()
        resolver.url_patterns  # noqa: B018 - reading it imports the module and everything it includes


def import_callable(entry):
    module, _, name = entry.partition(":")
    found = importlib.import_module(module)
    for part in (name or "application").split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError("%s is not callable" % entry)


def production(options):
    """What the overlay, Django's checks and our audit say; each part may be absent or fail without the others."""
    return {
        "changes": attempt(overlay_changes, []),
        "readback": attempt(read_back, []),
        "checks": attempt(system_checks, []),
        "audit": attempt(run_audit, []),
    }


def attempt(part, otherwise):
    try:
        return plain(part())
    except BaseException:
        return otherwise if part is not read_back else [{"setting": "*", "expected": "", "actual": last_line()}]


def last_line():
    return traceback.format_exc().strip().splitlines()[-1]


def overlay_changes():
    record = getattr(sys.modules.get("nuages_runtime.hook"), "RECORD", None) or {}
    return list(record.get("changes") or [])


def read_back():
    if "nuages_runtime.hook" not in sys.modules:
        return []
    overlay = importlib.import_module("nuages_runtime.overlay")
    return list(overlay.read_back())


def system_checks():
    from django.core import checks

    usual = checks.run_checks(include_deployment_checks=False)
    told = [check_as_dict(message) for message in usual if not message.is_silenced()]
    return told + [dict(check_as_dict(m), deploy=True) for m in deployment_messages() if not m.is_silenced()]


def deployment_messages():
    """What only `check --deploy` says: no other command stops at it, so a deploy must not either."""
    from django.core.checks.registry import registry

    for check in sorted(registry.deployment_checks, key=lambda check: (check.__module__, check.__qualname__)):
        if "database" not in getattr(check, "tags", ()):
            yield from check(app_configs=None, databases=None)


def check_as_dict(message):
    return {
        "id": message.id or "",
        "level": message.level,
        "msg": str(message.msg),
        "hint": str(message.hint or ""),
        "obj": str(message.obj) if message.obj is not None else "",
    }


def run_audit():
    try:
        audit = importlib.import_module("nuages_runtime.audit")
    except ImportError:
        return []
    return list(audit.run() or [])


def write(path, answer):
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(plain(answer), file)
    os.replace(path + ".part", path)


if __name__ == "__main__":
    main()
