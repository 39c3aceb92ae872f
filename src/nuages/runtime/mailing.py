"""Send one mail by the project's own mail settings. What it says comes on standard input, as JSON: to, subject, text, seconds."""

from __future__ import annotations

import json
import socket
import sys


NO_SERVER = 3
NOWHERE = ("console", "dummy", "locmem", "filebased")


def main():
    told = json.load(sys.stdin)
    socket.setdefaulttimeout(float(told.get("seconds", 5)))  # where the project names no EMAIL_TIMEOUT

    import django

    django.setup()
    from django.core.mail import EmailMessage

    mail = EmailMessage(subject=" ".join(told["subject"].split()), body=told["text"], from_email=sender(), to=told["to"])
    backend = type(mail.get_connection()).__module__
    if backend.startswith("django.") and backend.rpartition(".")[2] in NOWHERE:
        return NO_SERVER
    try:
        sent = mail.send()
    except Exception as error:
        print("%s: %s" % (type(error).__name__, error), file=sys.stderr)
        return 1
    return 0 if sent else 1


def sender():
    """Mail servers refuse the addresses that Django makes up."""
    from django.conf import settings

    made_up = ("root@localhost", "webmaster@localhost")
    found = [settings.DEFAULT_FROM_EMAIL, settings.SERVER_EMAIL]
    return next((address for address in found if address and address not in made_up), found[0])


if __name__ == "__main__":
    sys.exit(main())
