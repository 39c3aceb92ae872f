"""doctor's answers, and a mail server on a lab host, for stories."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path


SINK = Path(__file__).with_name("smtp_sink.py")


def walked(shop, *words):
    given = f"shop.example={shop.host.address}"
    done = shop.nuages("doctor", "shop", "--json", *(words or ("--resolve", given)), check=False)
    told = json.loads(done.stdout)
    assert done.returncode == (2 if told["broken"] else 0), done.stderr
    return told


def first_broken(shop, *words):
    broken = walked(shop, *words)["broken"]
    return broken["name"] if broken else ""


@contextlib.contextmanager
def mail_sink(shop):
    """A mail server on the host, and a site that sends by it. What is in its folder was taken by it."""
    shop.host.must(f"mkdir -p /opt/sink; cat > /opt/sink/sink.py <<'EOF'\n{SINK.read_text()}\nEOF")
    start_sink(shop)
    shop.nuages("config", "set", "EMAIL_URL=smtp://127.0.0.1:2525", "ADMINS=ann@shop.example", "SERVER_EMAIL=shop@shop.example")
    try:
        yield shop
    finally:
        shop.nuages("config", "unset", "EMAIL_URL", "ADMINS", "SERVER_EMAIL")
        shop.host.must("systemctl stop sink; rm -rf /srv/shop/errors/* /opt/sink")


def start_sink(shop):
    shop.host.must("systemd-run --unit sink python3 /opt/sink/sink.py 2525 /opt/sink/mail")


def mails(shop):
    return int(shop.host.must("ls /opt/sink/mail 2>/dev/null | wc -l"))


def clear(shop):
    shop.host.must("rm -f /opt/sink/mail/* /srv/shop/errors/*")


def listed(shop):
    return json.loads(shop.nuages("errors", "--json").stdout)
