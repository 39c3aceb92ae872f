"""A real message by the site's own mail setup, and what the server said to each word of it.

    python -m nuages_runtime.mailtest ADDRESS...     one JSON object: how it is set up, each step, and which failed

Where the server's port gives no answer, its other ports are knocked at too: providers of servers block 25, and often no more.
"""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid


SECONDS = 8
PORTS = (25, 465, 587, 2525)
SMTP = "django.core.mail.backends.smtp.EmailBackend"


class FailedError(Exception):
    def __init__(self, step, kind, said):
        super().__init__(said)
        self.step, self.kind, self.said = step, kind, said


def setup():
    """{"backend", "from", "host", "port", "user", "tls", "ssl", "password"} of MAILERS or EMAIL_*."""
    from django.conf import settings

    found = {"from": settings.SERVER_EMAIL, "admins": []}
    found["admins"] = [entry if isinstance(entry, str) else entry[1] for entry in settings.ADMINS]
    mailers = getattr(settings, "MAILERS", None)
    if mailers:
        entry = mailers.get("default") or {}
        options = entry.get("OPTIONS") or {}
        names = {"host": "host", "port": "port", "user": "username", "password": "password", "tls": "use_tls", "ssl": "use_ssl"}
        found["backend"] = entry.get("BACKEND", SMTP)
        found.update({ours: options.get(theirs) for ours, theirs in names.items()})
    else:
        found.update(
            backend=settings.EMAIL_BACKEND,
            host=settings.EMAIL_HOST,
            port=settings.EMAIL_PORT,
            user=settings.EMAIL_HOST_USER,
            password=settings.EMAIL_HOST_PASSWORD,
            tls=settings.EMAIL_USE_TLS,
            ssl=settings.EMAIL_USE_SSL,
        )
    found["host"] = found.get("host") or "localhost"
    found["port"] = int(found.get("port") or (465 if found.get("ssl") else 587 if found.get("tls") else 25))
    return found


def knock(host, port, seconds=SECONDS):
    """open, refused, silent (nothing came back), unknown (no such name), unreachable"""
    try:
        socket.create_connection((host, port), seconds).close()
    except socket.gaierror:
        return "unknown"
    except ConnectionRefusedError:
        return "refused"
    except (socket.timeout, TimeoutError):
        return "silent"
    except OSError:
        return "unreachable"
    return "open"


class Told(smtplib.SMTP):
    """Keeps what was said on both sides, but for what proves who we are."""

    def __init__(self, *words, **named):
        self.dialogue = []
        super().__init__(*words, **named)

    def putcmd(self, cmd, args=""):
        hidden = cmd.upper().startswith("AUTH") or self.quiet
        self.dialogue.append("> %s" % ("AUTH ***" if hidden else ("%s %s" % (cmd, args)).strip()))
        super().putcmd(cmd, args)

    quiet = False

    def getreply(self):
        code, said = super().getreply()
        self.dialogue.append("< %s %s" % (code, said.decode("utf-8", "replace").replace("\n", " | ")[:300]))
        return code, said

    def login(self, *words, **named):
        self.quiet = True
        try:
            return super().login(*words, **named)
        finally:
            self.quiet = False


class ToldSecurely(Told, smtplib.SMTP_SSL):
    pass


def send(given, to, subject, text):
    """The dialogue. Raises FailedError with it in `dialogue`."""
    opened, named = (ToldSecurely if given["ssl"] else Told), {"timeout": SECONDS, "local_hostname": socket.gethostname()}
    server = None
    step = "connect"
    try:
        server = opened(given["host"], given["port"], **named)
        step = "greet"
        server.ehlo()
        if given["tls"]:
            step = "starttls"
            server.starttls()
            server.ehlo()
        if given["user"]:
            step = "login"
            server.login(given["user"], given["password"] or "")
        step = "send"
        server.send_message(message_of(given, to, subject, text), given["from"], to)
        server.quit()
    except Exception as error:
        failed = FailedError(step, kind_of(error), said_by(error))
        failed.dialogue = getattr(server, "dialogue", [])
        if server is not None:
            server.close()
        raise failed from error
    return server.dialogue


def message_of(given, to, subject, text):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, given["from"], ", ".join(to)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid()
    message.set_content(text)
    return message


KINDS = (
    (socket.gaierror, "unknown"),
    (ConnectionRefusedError, "refused"),
    ((socket.timeout, TimeoutError), "silent"),
    (smtplib.SMTPAuthenticationError, "login"),
    ((smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError), "rejected"),
    (ssl.SSLError, "tls"),
    ((smtplib.SMTPServerDisconnected, smtplib.SMTPNotSupportedError), "dialogue"),
    (OSError, "unreachable"),
)


def kind_of(error):
    return next((kind for classes, kind in KINDS if isinstance(error, classes)), "other")


def said_by(error):
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(
            "%s: %s %s" % (who, code, said.decode("utf-8", "replace")) for who, (code, said) in error.recipients.items()
        )
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return "%s %s" % (error.smtp_code, said.decode("utf-8", "replace") if isinstance(said, bytes) else said)
    return str(error) or type(error).__name__


def main(addresses):
    from .telling import cleansed

    given = setup()
    to = addresses or given["admins"]
    told = {key: given.get(key) for key in ("backend", "from", "host", "port", "tls", "ssl", "admins")}
    told.update(user=bool(given.get("user")), to=to, ok=False, step="", kind="", said="", dialogue=[], ports={})
    subject = "A test of mail from %s" % socket.gethostname()
    text = "This message was sent by `nuages mail test`.\nWhoever reads it would hear of the site's errors.\n"
    try:
        told["dialogue"] = sent(given, to, subject, text)
        told["ok"] = True
    except FailedError as failed:
        told.update(step=failed.step, kind=failed.kind, said=cleansed(failed.said)[:500])
        told["dialogue"] = getattr(failed, "dialogue", [])
        if failed.kind in ("silent", "refused", "unreachable"):
            told["ports"] = knock_at(given["host"], given["port"])
    told["dialogue"] = [cleansed(line) for line in told["dialogue"]]
    print(json.dumps(told))


def sent(given, to, subject, text):
    backend = given["backend"]
    if not to:
        raise FailedError("setup", "nobody", "")
    if backend == SMTP:
        return send(given, to, subject, text)
    if backend.startswith("django.core.mail.backends."):
        raise FailedError("setup", "development", backend)
    _by_backend(subject, text, given, to)
    return []


def knock_at(host, own):
    """All at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    ports = sorted({own, *PORTS})
    with ThreadPoolExecutor(len(ports)) as pool:
        return dict(zip(map(str, ports), pool.map(lambda port: knock(host, port), ports)))


def _by_backend(subject, text, given, to):
    from django.core.mail import EmailMessage as Message

    try:
        Message(subject, text, given["from"], to).send()
    except Exception as error:
        raise FailedError("send", kind_of(error), said_by(error)) from error


if __name__ == "__main__":
    main(sys.argv[1:])
