"""The dashboard of a site on a server: on loopback over SSH with its buttons, and behind the site's own proxy, where it only reads."""

from __future__ import annotations

import json
import re
import urllib.parse

import chromium
import pytest
from dashboard_page import Page, served
from deployed import Connection, Deployed, eventually

from nuages.lab.faults import PowerOff, PowerOn


PATH = "/-/nuages/"
PEOPLE = (
    "from django.contrib.auth.models import User; User.objects.create_superuser('ada', password='correct horse');"
    "User.objects.create_user('bob', password='correct horse', is_staff=True);"
    "User.objects.create_superuser('gone', password='correct horse', is_active=True)"
)
SECRET = "canary-of-a-secret"


class Visitor:
    """Keeps cookies."""

    def __init__(self, shop):
        self.shop, self.cookies = shop, {}

    def ask(self, method, path, fields=None, **headers):
        connection = Connection(self.shop.host.address, self.shop.domain, self.shop.ca, 30)
        try:
            body = urllib.parse.urlencode(fields).encode() if fields else None
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
            origin = {"Referer": f"https://{self.shop.domain}/login"}
            connection.request(method, path, body, {"Cookie": cookies, **form, **origin, **headers})
            answer = connection.getresponse()
            for value in answer.headers.get_all("Set-Cookie") or []:
                name, _equals, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return answer.status, answer.read().decode(errors="replace"), answer.headers
        finally:
            connection.close()

    def log_in(self, username):
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', self.ask("GET", "/login")[1])
        fields = {"username": username, "password": "correct horse", "csrfmiddlewaretoken": token[1]}
        status, _body, _headers = self.ask("POST", "/login", fields)
        assert status == 302
        return self


@pytest.fixture(scope="module")
def shop(lab, tmp_path_factory):
    (host,) = lab.up("shop-2", disk="4G")
    shop = Deployed(tmp_path_factory.mktemp("dashboard"), host, jobs=True, tables=f'\n[dashboard]\npath = "{PATH}"\n')
    shop.nuages("deploy")
    shop.nuages("manage", "shell", "-c", PEOPLE)
    shop.nuages("config", "set", f"API_TOKEN={SECRET}")
    yield shop
    lab.down("shop-2")


@pytest.fixture(scope="module")
def facts(shop):
    """As root has written them down since the last release."""
    eventually(lambda: written(shop)["release"].get("number") == 2, within=120)
    return written(shop)


def written(shop):
    return json.loads(shop.host.must("cat /srv/shop/shared/dashboard/facts.json"))


def test_root_writes_down_how_the_host_stands_for_the_sites_account_alone(shop, facts):
    assert shop.host.must("stat -c '%U %G %a' /srv/shop/shared/dashboard/facts.json").split() == ["root", "shop", "640"]
    assert facts["state"] == "running"
    assert facts["verdict"] == "healthy", facts["attention"]
    assert {process["name"] for process in facts["hosts"][0]["processes"]} >= {"web", "worker", "beat"}
    assert facts["certificates"][0]["names"]
    assert facts["deploys"][0]["what"] == "config set"


def test_nothing_secret_is_written_down(shop, facts):
    eventually(
        lambda: json.loads(shop.host.must("cat /srv/shop/shared/dashboard/facts.json"))["config"]["names"] == ["API_TOKEN"]
    )
    text = shop.host.must("cat /srv/shop/shared/dashboard/facts.json")
    stored = json.loads(shop.host.must("cat /srv/shop/config/v2.json"))
    assert SECRET not in text
    assert stored["secret_key"] not in text


@pytest.mark.parametrize("who", ["nobody", "bob", "forged"])
def test_for_everybody_else_there_is_no_such_page(shop, who):
    visitor = Visitor(shop)
    if who == "bob":
        visitor.log_in("bob")
    if who == "forged":
        visitor.cookies["sessionid"] = "x" * 32
    for path in ("", "page.js", "facts.json", "nothing"):
        assert visitor.ask("GET", PATH + path)[0] == 404


def test_a_superuser_reads_and_only_reads(shop, facts):
    visitor = Visitor(shop).log_in("ada")
    status, body, headers = visitor.ask("GET", PATH)
    assert status == 200
    assert "page.js" in body
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    told = json.loads(visitor.ask("GET", PATH + "facts.json")[1])
    assert told["readonly"] is True
    assert told["release"]["number"] == 2
    token = {"X-CSRFToken": visitor.cookies.get("csrftoken", "")}
    assert visitor.ask("POST", PATH + "api/do", {"what": "restart"}, **token)[0] == 404
    assert visitor.ask("GET", PATH + "facts.json", **{"Sec-Fetch-Site": "cross-site"})[0] == 404


def test_who_is_a_superuser_no_more_sees_nothing_more(shop, facts):
    visitor = Visitor(shop).log_in("gone")
    assert visitor.ask("GET", PATH)[0] == 200
    shop.nuages(
        "manage",
        "shell",
        "-c",
        "from django.contrib.auth.models import User; User.objects.filter(username='gone').update(is_superuser=False)",
    )
    assert visitor.ask("GET", PATH)[0] == 404


def test_on_loopback_a_button_restarts_the_site_over_ssh(shop, tmp_path):
    if chromium.missing():
        pytest.skip(chromium.missing())
    with served(shop) as link, chromium.browser(tmp_path) as driver:
        page = Page(driver, link)
        assert page.text("verdict") == "Running"
        assert "shop-2" in page.text("hosts")
        assert SECRET not in driver.page_source
        shop.get("/nobody-has-this-page")
        eventually(lambda: "/nobody-has-this-page" in page.text("logs"))
        with shop.traffic() as seen:
            page.press("Restart")
            page.carry_out("Restart")
        assert seen.lost == 0, seen
        assert page.console() == []


def test_a_host_that_cannot_be_reached_is_shown_so(shop, tmp_path):
    if chromium.missing():
        pytest.skip(chromium.missing())
    with served(shop) as link, chromium.browser(tmp_path) as driver:
        page = Page(driver, link)
        shop.host.fault(PowerOff())
        eventually(lambda: page.text("verdict") == "Can't be reached", within=90)
        assert "shop-2 can't be reached" in page.text("attention")
        assert "v" in page.text("release")  # what was known stays
        shop.host.fault(PowerOn())
        eventually(lambda: page.text("verdict") == "Running", within=120)
