"""The dashboard in a real Chromium, on a real site of this machine: every button is pressed, and what it promises is looked at
from outside."""

import time
from pathlib import Path

import chromium
import pytest
from dashboard_page import Page, chosen_folder
from live_site import eventually
from page_behind import behind, written


pytestmark = pytest.mark.local


def live(site):
    return int(site.status()["release"])


def screenshot(page, name):
    if folder := chosen_folder(name):
        chromium.screenshot(page.driver, Path(folder))


def test_what_is_live_is_told_without_a_value_of_the_configuration(page, site):
    page.reload()
    assert page.text("site") == "shop"
    assert page.text("verdict") == "Running"
    assert f"v{live(site)}" in page.text("release")
    assert "API_TOKEN" in page.text("config")
    assert "worker" in page.text("processes")
    assert "canary" not in page.driver.page_source


def test_a_release_tells_what_it_brought(page):
    page.open("releases", "v2")
    assert eventually(lambda: "+ API_TOKEN" in page.text("releases"))
    page.open("deploys", "config set")
    assert eventually(lambda: "v2 is the live release" in page.text("deploys"))


def test_requests_errors_and_latency_are_drawn(page, site):
    for _ in range(20):
        site.get("/")
    assert site.answer("/fail")[0] == 500
    bars = "return document.querySelectorAll('#traffic .ok-bar').length && document.querySelectorAll('#traffic .bad-bar').length"
    assert eventually(lambda: page.driver.execute_script(bars), 30)
    assert "failed" in page.text("traffic")


def test_log_lines_arrive_as_they_are_written(page, site):
    site.answer("/nobody-has-this-page")
    assert eventually(lambda: "/nobody-has-this-page" in page.text("logs"))


def test_what_strangers_wrote_stays_text(page, site):
    site.answer("/<img-of-a-stranger-src=x>")
    assert eventually(lambda: "img-of-a-stranger" in page.text("logs"))
    assert page.driver.execute_script("return document.querySelectorAll('main img, main script').length") == 0


@pytest.mark.skipif(not chromium.AXE.exists(), reason="axe-core is not here; tests/install-services brings it")
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_nothing_stands_in_the_way_of_anybody(page, colours, size):
    chromium.scheme(page.driver, colours)
    (chromium.as_phone if size == "phone" else chromium.as_desktop)(page.driver)
    page.open("releases", "v1")
    page.open("deploys", "up")
    screenshot(page, f"{size}-{colours}.png")
    found = chromium.violations(page.driver)
    wide = page.driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    chromium.as_desktop(page.driver)
    assert found == []
    assert wide <= 0  # nothing to scroll sideways


def test_deploy_shows_its_plan_asks_and_does_it(page, site):
    number, before = live(site), site.get("/")
    site.version("of a button")
    page.press("Deploy")
    plan = page.awaits_plan("Deploy")
    screenshot(page, "plan.png")
    assert f"release v{number + 1}" in plan
    assert site.get("/") == before  # nothing was changed yet
    page.press("Apply")
    page.ends("Deploy")
    assert not chromium.AXE.exists() or chromium.violations(page.driver) == []
    page.press("Close")
    assert "version of a button" in site.get("/")
    assert eventually(lambda: f"v{number + 1}" in page.text("release"))
    entries = [each for each in site.nuages("audit").stdout.splitlines() if "from the dashboard" in each]
    assert "nuages up" in entries[-1]


def test_a_plan_that_nobody_wants_changes_nothing(page, site):
    number = live(site)
    site.version("that nobody wants")
    page.press("Deploy")
    page.awaits_plan("Deploy")
    page.press("Don't apply")
    assert "nothing was changed" in page.ends("Deploy", "not applied")
    page.press("Close")
    assert live(site) == number


def test_what_is_under_way_survives_a_reload_and_holds_the_lock(page, site):
    number = live(site)
    site.version("over a reload")
    page.press("Deploy")
    page.awaits_plan("Deploy")
    page.reload()
    assert f"release v{number + 1}" in page.awaits_plan("Deploy")
    assert "dashboard" in site.refused("restart")  # who holds it, and why
    page.press("Apply")
    page.reload()
    page.ends("Deploy")
    page.press("Close")
    assert "version over a reload" in site.get("/")


def test_roll_back_to_a_release_of_the_list(page, site):
    page.open("releases", "v1")
    page.press("Roll back to v1")
    page.carry_out("Rollback to v1")
    assert "version 1" in site.get("/")
    assert "rollback to v1" in site.nuages("releases").stdout


def test_scale(page, site):
    def workers():
        return len([p for p in site.status()["processes"] if p["kind"] == "worker"])

    wanted = 1 if workers() == 2 else 2
    field = page.driver.find_element("css selector", "#scale input[name=worker]")
    field.clear()
    field.send_keys(str(wanted))
    page.press("Scale")
    assert f"worker x{wanted}" in page.carry_out(f"Scale worker={wanted}")
    assert workers() == wanted


def test_restart(page, site):
    before = {process["pid"] for process in site.status()["processes"]}
    page.press("Restart")
    page.carry_out("Restart")
    assert not before & {process["pid"] for process in site.status()["processes"]}


def test_maintenance_on_and_off(page, site):
    page.press("Maintenance on")
    page.carry_out("Maintenance on")
    assert eventually(lambda: site.answer("/")[0] == 503)
    assert eventually(lambda: page.text("verdict") == "Maintenance page is on")
    page.press("Maintenance off")
    page.carry_out("Maintenance off")
    assert eventually(lambda: site.answer("/")[0] == 200)


def test_a_deploy_that_fails_says_why_and_what_serves(page, site):
    assert eventually(lambda: site.answer("/")[0] == 200)  # each worker looks for the maintenance page once a second
    time.sleep(1.1)
    before = site.get("/")
    site.write(**{"books/version.py": "raise ImportError('of the newest kind')\n"})
    page.press("Deploy")
    told = page.ends("Deploy", "failed")
    screenshot(page, "failed.png")
    page.press("Close")
    site.version("mended")
    assert "of the newest kind" in told
    assert site.get("/") == before


def test_all_of_it_by_keyboard(page, site):
    from selenium.webdriver.common.keys import Keys

    page.driver.execute_script("document.getElementById('main').focus()")
    for _ in range(30):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        if page.driver.switch_to.active_element.text == "Restart":
            break
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.awaits_plan("Restart")
    eventually(lambda: page.driver.switch_to.active_element.get_attribute("id") == "job-title")
    page.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Apply"
    page.driver.switch_to.active_element.send_keys(Keys.TAB)
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.ends("Restart", "not applied")
    page.press("Close")


@pytest.mark.skipif(not chromium.AXE.exists(), reason="axe-core is not here; tests/install-services brings it")
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_behind_the_proxy_the_same_page_only_reads(page, site, size, tmp_path):
    (chromium.as_phone if size == "phone" else chromium.as_desktop)(page.driver)
    with behind(written(site, tmp_path / "page")) as address:
        Page(page.driver, address)
        screenshot(page, f"behind-{size}.png")
        shown = page.driver.execute_script("return [...document.querySelectorAll('button')].filter((b) => b.offsetParent).length")
        found = chromium.violations(page.driver)
    told = page.text("release"), page.text("processes"), page.text("deploys"), page.text("logs-card")
    chromium.as_desktop(page.driver)
    page.driver.get(page.link.partition("?")[0])
    page.loaded()
    assert (shown, found) == (0, [])
    assert f"v{live(site)}" in told[0]
    assert "worker" in told[1]
    assert "config set" in told[2]
    assert told[3] == ""


def test_the_link_works_once(page, link):
    page.driver.get(link)
    assert "works once" in page.driver.find_element("tag name", "body").text
    page.console()  # the browser says that it was 403
    page.driver.get(link.partition("?")[0])
    page.loaded()
