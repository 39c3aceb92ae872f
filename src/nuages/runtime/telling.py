"""Errors reach somebody: by mail to ADMINS (or [errors] mail), and by webhook. Ten messages an hour at most, with what they left out.

The first of a kind within an hour is a message of its own, as long as nine were not sent; all the rest is counted, and told in one
message ten minutes later. What was sent and what waits is in SITE/errors/mail.json, under a lock, so that all processes together and
restarts too keep to it. Sent by whatever mail setup the site has; the request that failed has long been answered.

    python -m nuages_runtime.telling UNIT      a unit of systemd has failed: told the same way
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time

from . import masking


HOUR = 3600.0
WAIT = 600.0  # seconds that what was left out waits to be told together
MOST = 10
SECONDS = 10
LINES = 60
PATH = re.compile(r"[\w.:/-]{1,60}")  # AUTH_USER_MODEL and the like name things, and are no secrets
SHORTEST = 6  # letters of a secret: a shorter one would blot out half of every text


class Teller:
    """`mail` and `post` send; tests put others in their place."""

    def __init__(self, book, policy, clock=time.time):
        self.book = book
        self.clock = clock
        self.site = policy.get("site") or ""
        self.wishes = policy.get("errors") or {}
        self.most = int(self.wishes.get("most") or MOST)
        self.mail, self.post = send_mail, post

    def tell(self, found, samples=(), late=False):
        """Say what is to be said now, and what was left out when its time has come. `late`: only count it."""
        to, url = self.receivers()
        if not (to or url) or not (found or self.waits()):
            return
        with self.state() as state:
            now = [] if late else self.chosen(state, found)
            for ident, one in found.items():
                left = one["count"] - (ident in now)
                if left:
                    self.leave(state, ident, one, left)
            left = {} if late else self.due(state)
        traces = {trace["id"]: trace for trace in samples}
        for ident in now:
            self.send(*self.message(ident, found[ident], traces.get(ident)), to, url)
        if left:
            self.send(*self.summary(left), to, url)

    def receivers(self):
        name = self.wishes.get("webhook") or ""
        return list(self.wishes.get("mail") or admins()), os.environ.get(name, "") if name else ""

    def chosen(self, state, found):
        """What gets a message of its own. It counts as sent, whatever becomes of it: a server that fails is not pestered."""
        chosen = []
        self.sent(state)  # which forgets what is older
        for ident in found:
            known = ident in state["kinds"] and not found[ident].get("fresh")
            if self.sent(state) < self.most - 1 and not known:
                state["sent"].append(self.clock())
                state["kinds"][ident] = self.clock()
                chosen.append(ident)
        return chosen

    def sent(self, state):
        """How many within the hour."""
        state["sent"] = [at for at in state["sent"] if self.clock() - at < HOUR]
        state["kinds"] = {ident: at for ident, at in state["kinds"].items() if self.clock() - at < HOUR}
        return len(state["sent"])

    def leave(self, state, ident, one, count):
        waiting = state["left"].setdefault(ident, {"count": 0, "since": self.clock(), "type": one["type"], "where": one["where"]})
        waiting["count"] += count

    def due(self, state):
        left = state["left"]
        if not left or self.clock() - min(one["since"] for one in left.values()) < WAIT or self.sent(state) >= self.most:
            return {}
        state["sent"].append(self.clock())
        state["left"] = {}
        state["kinds"].update({ident: self.clock() for ident in left})
        return left

    def waits(self):
        return bool(self.book.read("mail.json").get("left"))

    @contextlib.contextmanager
    def state(self):
        os.makedirs(self.book.folder, mode=0o700, exist_ok=True)
        with self.book.alone("mail.lock"):
            state = {"sent": [], "kinds": {}, "left": {}, "problem": "", **self.book.read("mail.json")}
            yield state
            self.book.write("mail.json", state)

    def send(self, subject, text, to, url):
        problems = []
        for there, way, words in ((to, self.mail, (subject, text, to)), (url, self.post, (url, subject, text))):
            if there:
                try:
                    way(*words)
                except Exception as error:
                    problems.append(cleansed("%s: %s" % (type(error).__name__, error))[:300])
        with self.state() as state:
            state["problem"] = "; ".join(problems)
            state["problem_at"] = self.clock() if problems else 0
        if problems:
            print("nuages: errors could not be told: %s" % "; ".join(problems), file=sys.stderr, flush=True)

    # --- words -----------------------------------------------------------------------------------------------

    def message(self, ident, one, trace):
        subject = "%s: %s: %s" % (self.site, one["type"].rpartition(".")[2], one["message"])
        lines = [
            "%s: %s" % (one["type"], one["message"]),
            "",
            "in        %s" % one["where"],
            "release   v%s (%s)" % (one["release"], one["build"]),
            "host      %s, %s" % (one["host"], one["process"]),
            "time      %s" % utc(one["first"]),
        ]
        trace = trace or {}
        lines += ["%-9s %s" % (name, trace[key]) for name, key in REQUEST if trace.get(key)]
        if one["count"] > 1:
            lines.append("count     %d so far" % one["count"])
        lines += ["", *str(trace.get("text", "")).splitlines()[-LINES:], "", *self.foot(ident)]
        return subject, "\n".join(lines)

    def summary(self, left):
        total = sum(one["count"] for one in left.values())
        rows = sorted(left.items(), key=lambda item: -item[1]["count"])
        lines = ["%d errors more, of %d kinds, since %s:" % (total, len(left), utc(min(o["since"] for o in left.values()))), ""]
        lines += ["%8d  %s  %s in %s" % (one["count"], ident, one["type"], one["where"]) for ident, one in rows[:50]]
        lines += ["          and %d kinds more" % (len(rows) - 50)] if len(rows) > 50 else []
        return "%s: %d errors more" % (self.site, total), "\n".join([*lines, "", *self.foot("")])

    def foot(self, ident):
        return [
            "All of it: nuages errors%s" % (" show %s" % ident if ident else ""),
            "At most %d messages an hour are sent; what is left out is counted and told together." % self.most,
        ]


REQUEST = (("request", "request"), ("id", "request_id"))


def utc(at):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


# --- ways ----------------------------------------------------------------------------------------------------


def admins():
    """Addresses: pairs in most projects, plain since Django 6.0. None where no mail leaves the site anyhow."""
    from .overlay_mail import DEVELOPMENT

    try:
        from django.conf import settings

        if not (getattr(settings, "MAILERS", None) or settings.EMAIL_BACKEND not in DEVELOPMENT):
            return []
        return [entry if isinstance(entry, str) else entry[1] for entry in settings.ADMINS]
    except Exception:
        people = re.findall(r"[^\s<>,;:]+@[^\s<>,;:]+", os.environ.get("ADMINS", ""))
        return people if _environment_server() else []


def _environment_server():
    from .overlay_mail import server

    return server(os.environ)


def send_mail(subject, text, to):
    """By the site's own mail setup. Where its settings can't be loaded, by the server that its environment names."""
    subject = " ".join(subject.split())[:200]
    try:
        from django.conf import settings
        from django.core.mail import EmailMessage

        sender, prefix = settings.SERVER_EMAIL, settings.EMAIL_SUBJECT_PREFIX.replace("[Django] ", "")
    except Exception:
        _send_plain(subject, text, to)
        return
    EmailMessage("%s%s" % (prefix, subject), text, sender, list(to)).send()


def _send_plain(subject, text, to):
    import smtplib
    from email.message import EmailMessage

    given = _environment_server()
    if not given:
        raise RuntimeError("neither the settings nor the environment name a mail server")
    message = EmailMessage()
    sender = os.environ.get("SERVER_EMAIL") or os.environ.get("DEFAULT_FROM_EMAIL") or "root@localhost"
    message["Subject"], message["From"], message["To"] = subject, sender, ", ".join(to)
    message.set_content(text)
    opened = smtplib.SMTP_SSL if given.get("use_ssl") else smtplib.SMTP
    with opened(given["host"], given.get("port") or 25, timeout=SECONDS) as server:
        if given.get("use_tls"):
            server.starttls()
        if given.get("username"):
            server.login(given["username"], given.get("password", ""))
        server.send_message(message)


def post(url, subject, text):
    """As Slack takes it, and most others who call themselves compatible."""
    import urllib.request

    if not url.startswith(("https://", "http://")):
        raise ValueError("the webhook is no http address")
    body = json.dumps({"text": "*%s*\n```%s```" % (subject, text[:2500])}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "Nuages"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
        pass


# --- what may be said ----------------------------------------------------------------------------------------

_secrets = None


def cleansed(text):
    """Without the values of secret settings and variables, and without passwords in addresses."""
    global _secrets  # noqa: PLW0603 - asked once in a process
    if _secrets is None:
        found = sorted(secret_values(), key=len, reverse=True)
        _secrets = re.compile("|".join(map(re.escape, found))) if found else re.compile(r"(?!)")
    text = _secrets.sub(masking.MASK, text)
    return masking.URL_PASSWORD.sub(lambda match: match.group("scheme") + masking.MASK + "@", text)


def secret_values():
    found = set()
    hidden = masking.SECRET_NAME  # Django's own list is longer
    with contextlib.suppress(Exception):
        from django.views.debug import get_default_exception_reporter_filter

        hidden = get_default_exception_reporter_filter().hidden_settings
    for name, value in os.environ.items():
        _gather(found, name, value, hidden)
    with contextlib.suppress(Exception):
        from django.conf import settings

        for name in dir(settings):
            if name.isupper():
                _gather(found, name, getattr(settings, name, None), hidden)
    return {value for value in found if len(value) >= SHORTEST and not value.isspace()}


def _gather(found, name, value, hidden, deep=0):
    if isinstance(value, dict) and deep < 5:
        for key, item in value.items():
            _gather(found, key if isinstance(key, str) else name, item, hidden, deep + 1)
    elif isinstance(value, (list, tuple)) and deep < 5:
        for item in value:
            _gather(found, name, item, hidden, deep + 1)
    elif isinstance(value, str) and value:
        if masking.is_secret(name) or (hidden.search(str(name)) and not PATH.fullmatch(value)):
            found.add(value)
        for match in re.finditer(r"://[^:/@\s]*:([^@\s]+)@", value):
            found.add(match.group(1))


def request_of(record):
    """Which request it was: its method, its path with hidden parameters, who asked. Never what was sent in it."""
    from . import request_id

    request = getattr(record, "request", None)
    told = {"request_id": request_id.current()}
    if request is not None:
        with contextlib.suppress(Exception):
            from django.views.debug import get_exception_reporter_filter

            hide = get_exception_reporter_filter(request)
            query = "&".join("%s=%s" % (name, hide.cleanse_setting(name, value)) for name, value in request.GET.items())
            told["request"] = cleansed("%s %s%s" % (request.method, request.path, "?" + query if query else ""))[:500]
            told["request_id"] = told["request_id"] or request.META.get("HTTP_X_REQUEST_ID", "")
    return told


def process_name():
    """web, or the name of the worker or job: that of the unit's script, of its log, else of the command."""
    if os.environ.get("NUAGES_PROOF") or os.environ.get("NUAGES_SOCKET"):
        return "web"
    name = os.environ.get("NUAGES_PROCESS")
    if name:
        return name
    with contextlib.suppress(OSError):
        log = os.readlink("/proc/self/fd/1")
        if log.endswith(".log"):
            return os.path.basename(log)[: -len(".log")]
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else "python")


# --- a unit of systemd has failed ----------------------------------------------------------------------------


def main(unit):
    """Started by systemd (OnFailure=), which says in MONITOR_* how it ended. Of a release that never went live, or is being
    replaced, its deploy tells."""
    from .errorbook import Book
    from .hook import load_policy
    from .recording import folder

    policy, place = load_policy() or {}, folder()
    if not place or not _is_live(unit, place):
        return
    if policy.get("settings_module"):
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", policy["settings_module"])
    now, name = time.time(), unit.partition("@")[0].replace(".service", "")
    said = " ".join(filter(None, (os.environ.get("MONITOR_SERVICE_RESULT", "failed"), os.environ.get("MONITOR_EXIT_STATUS", ""))))
    facts = {
        "release": int(policy.get("number") or 0), "build": policy.get("build") or "",
        "host": os.uname().nodename, "process": name,
    }  # fmt: skip
    one = dict(facts, count=1, first=now, last=now, type="UnitFailed", where=name, message="%s ended: %s" % (name, said))
    ident = "unit-%s" % name
    trace = dict(facts, id=ident, at=now, text=last_lines(policy.get("site") or "", name))
    book = Book(place)
    if book.add({ident: one}, [trace]):
        one["fresh"] = True
    Teller(book, policy).tell({ident: one}, [trace])


def _is_live(unit, place):
    """A job of the clock always is; a process where it is of the generation that has the traffic."""
    generation = unit.partition("@")[2].replace(".service", "").partition(".")[0]
    try:
        link = os.readlink(os.path.join(os.path.dirname(place), "run", "web.sock"))
    except OSError:
        return True
    return not generation or os.path.basename(os.path.dirname(link)) == generation


def last_lines(site, name, many=30):
    """Of its log, which the site may read."""
    logs = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(os.environ["NUAGES_RELEASE"]))), "logs")
    path = os.path.join(logs, "%s.log" % (name[len(site) + 1 :] if name.startswith(site + "-") else name))
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LONGEST))
            return cleansed("\n".join(file.read().decode("utf-8", "replace").splitlines()[-many:]))
    except OSError:
        return "what it printed: nuages logs %s" % os.path.basename(path)[: -len(".log")]


LONGEST = 16 << 10

if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.environ["NUAGES_FAILED"])
