"""What other pages of the same browser try on the dashboard that its owner has open: pages of another site, of another port of
127.0.0.1 (which get its cookie), and of a name that was made to lead to 127.0.0.1."""

import http.server
import threading

import chromium
import pytest
from live_site import eventually

from nuages.dashboard.server import Dashboard


pytestmark = pytest.mark.local
TRY = """
const [path, options, done] = arguments;
fetch(path, options).then((answer) => answer.text().then((text) => done(answer.type + " " + answer.status + " " + text)))
  .catch((error) => done("blocked " + error));
"""
INCLUDE = """
const [tag, path, done] = arguments;
const made = document.createElement(tag);
made.onload = () => done("loaded");
made.onerror = () => done("refused");
made[tag === "link" ? "href" : "src"] = path;
if (tag === "link") made.rel = "stylesheet";
document.head.append(made);
"""
FORM = """
const form = document.createElement("form");
Object.assign(form, { method: "post", enctype: "text/plain", action: arguments[0] });
const field = document.createElement("input");
field.name = '{"what": "deploy", "x": "';
field.value = '"}';
form.append(field);
document.body.append(form);
form.submit();
"""
FRAME = """
const frame = document.createElement("iframe");
frame.src = arguments[0];
frame.onload = () => { document.title = "framed"; };
document.body.append(frame);
"""


class Evil(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title><body>evil")

    def log_message(self, *_words):
        pass


@pytest.fixture(scope="module")
def evil_port():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    if chromium.missing():
        pytest.skip(chromium.missing())
    root = tmp_path_factory.mktemp("projects") / "shop"
    root.mkdir()
    (root / "manage.py").touch()
    dashboard = Dashboard(root)
    thread = threading.Thread(target=dashboard.serve, daemon=True)
    thread.start()
    yield dashboard
    dashboard.server.shutdown()
    thread.join(10)


@pytest.fixture(scope="module")
def driver(dashboard, tmp_path_factory):
    """Every name leads to this machine, and the dashboard is open in a tab."""
    with chromium.browser(tmp_path_factory.mktemp("profile"), "--host-resolver-rules=MAP *.example 127.0.0.1") as driver:
        driver.get(dashboard.link())
        eventually(lambda: driver.title.endswith("Not deployed yet"))
        yield driver


@pytest.fixture(params=["evil.example", "127.0.0.1"])
def evil(request, driver, evil_port, dashboard):
    """The browser is on a hostile page; afterwards nothing was started."""
    driver.get(f"http://{request.param}:{evil_port}/")
    yield driver
    assert dashboard.jobs.current is None


@pytest.fixture
def target(dashboard):
    return f"http://127.0.0.1:{dashboard.port}"


def test_it_reads_nothing(evil, target):
    for path in ("/facts.json", "/", "/page.js", "/api/stream"):
        assert evil.execute_async_script(TRY, target + path, {"credentials": "include"}).startswith("blocked")


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_it_changes_nothing_by_script(evil, target, kind):
    options = {"method": "POST", "credentials": "include", "headers": {"Content-Type": kind}, "body": '{"what": "deploy"}'}
    assert evil.execute_async_script(TRY, target + "/api/do", options).startswith("blocked")
    evil.execute_async_script(TRY, target + "/api/do", {**options, "mode": "no-cors"})  # it is sent, and refused


def test_it_changes_nothing_by_a_form(evil, target):
    evil.execute_script(FORM, target + "/api/do")
    assert eventually(lambda: "another" in evil.find_element("tag name", "body").text)


def test_it_shows_it_in_no_frame(evil, target):
    evil.execute_script(FRAME, target + "/")
    eventually(lambda: evil.title == "framed")
    evil.switch_to.frame(0)
    shown = evil.page_source
    evil.switch_to.default_content()
    assert "shop" not in shown
    assert "page.js" not in shown


@pytest.mark.parametrize(("tag", "path"), [("script", "/page.js"), ("link", "/page.css"), ("script", "/facts.json")])
def test_it_takes_no_part_of_it(evil, target, tag, path):
    assert evil.execute_async_script(INCLUDE, tag, target + path) == "refused"


@pytest.mark.parametrize("path", ["/", "/facts.json", "/page.js"])
def test_dns_rebinding_a_name_that_leads_here_gets_nothing(driver, dashboard, path):
    driver.get(f"http://rebound.example:{dashboard.port}{path}")
    assert "127.0.0.1 and localhost only" in driver.find_element("tag name", "body").text


def test_the_owner_goes_on_undisturbed(driver, target):
    driver.get(target + "/")
    assert eventually(lambda: driver.title.endswith("Not deployed yet"))
