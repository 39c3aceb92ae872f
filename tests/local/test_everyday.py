"""The verbs of every day, as their users type them."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from live_site import Site, a_site, eventually


pytestmark = pytest.mark.local

SECRET = "tr0mbone-Lagoon-77"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("everyday")) as site:
        site.up()
        yield site


def variable(site: Site, name: str) -> str | None:
    return json.loads(site.get(f"/variable/{name}"))


# --- config ----------------------------------------------------------------------------------------------------


def test_config_keeps_every_value_as_it_was_given(site):
    values = {
        "EMPTY": "", "SPACES": "  two words  ", "LINES": "one\ntwo\n", "SIGNS": "a'b\"c$d`e\\f#g=h%i{j}", "WORLD": "żółć 🌩",
    }  # fmt: skip
    site.nuages("config", "set", *(f"{name}={value}" for name, value in values.items()))
    assert {name: variable(site, name) for name in values} == values
    assert {name: site.nuages("config", "get", name).stdout for name in values} == {n: v + "\n" for n, v in values.items()}
    listed = site.nuages("config").stdout.split()
    assert set(values) <= set(listed)
    assert "words" not in site.nuages("config").stdout
    site.nuages("config", "unset", *values)
    assert variable(site, "WORLD") is None


def test_config_imports_a_dotenv_file_and_sets_files(site, tmp_path):
    dotenv = tmp_path / "production.env"
    dotenv.write_text('# ours\nexport FROM_FILE="quoted # not a comment"\nNOTHING=\nMULTI="a\nb"\n')
    keys = tmp_path / "keys.json"
    keys.write_text('{"key": "value"}')
    site.nuages("config", "import", dotenv)
    site.nuages("config", "set", "--file", f"books/keys.json=@{keys}")
    assert [variable(site, name) for name in ("FROM_FILE", "NOTHING", "MULTI")] == ["quoted # not a comment", "", "a\nb"]
    site.nuages("up", "-d")
    assert site.nuages("run", "cat", "books/keys.json").stdout == keys.read_text()
    assert not (site.root / "books" / "keys.json").exists()


def test_a_configuration_that_is_not_one_is_refused_with_a_hint(site):
    before = site.status()["release"]
    for words in (["set", "NOEQUALS"], ["set", "1BAD=x"], ["unset", "ABSENT"], ["get", "ABSENT"], ["set", "PYTHONPATH=/x"]):
        assert "hint:" in site.refused("config", *words)
    assert site.status()["release"] == before


def test_a_secret_is_seen_nowhere(site):
    said = site.nuages("config", "set", f"API_TOKEN={SECRET}", f"CACHE_URL=locmem://{SECRET}@x")
    outputs = [said.stdout, said.stderr]
    for words in (["status", "--json"], ["status"], ["ps"], ["plan"], ["plan", "--json"], ["releases", "--json"], ["config"],
                  ["settings", "diff"], ["settings", "show"], ["inspect", "--json"], ["logs", "-n", "5000"]):  # fmt: skip
        done = site.nuages(*words, check=False)
        outputs += [done.stdout, done.stderr]
    outputs.append(site.refused("rollback", "v9999"))
    site.answer("/fail")
    outputs += [path.read_text() for path in site.state.glob("logs/*.log*")] + [(site.state / "journal.jsonl").read_text()]
    outputs += list(site.pids().values())
    assert [text for text in outputs if SECRET in text] == []
    readable = [p for p in site.state.rglob("*") if p.is_file() and p.stat().st_mode & 0o077 and holds(p, SECRET)]
    assert readable == []
    site.nuages("config", "unset", "API_TOKEN", "CACHE_URL")


def holds(path: Path, word: str) -> bool:
    return word.encode() in path.read_bytes()


# --- running -----------------------------------------------------------------------------------------------------


def test_scale_changes_how_many_run_and_says_so(site):
    site.nuages("scale", "web=1", "worker=2")
    assert site.nuages("scale").stdout.split() == ["web=1", "worker=2"]
    workers = [line for line in site.pids().values() if "worker.py" in line]
    assert len(workers) == 2
    site.nuages("scale", "worker=0")
    eventually(lambda: not [line for line in site.pids().values() if "worker.py" in line])
    assert "hint:" in site.refused("scale", "wrker=2")
    site.nuages("scale", "web=2", "worker=1")


def test_maintenance_shows_a_page_and_stays_ready(site):
    site.nuages("maintenance", "on")
    status, page = eventually(lambda: site.answer() if site.answer()[0] == 503 else None)
    assert (status, "Traceback" in page) == (503, False)
    assert site.answer("/-/ready")[0] == 200
    assert "maintenance" in site.nuages("status").stdout
    site.nuages("maintenance", "off")
    eventually(lambda: site.answer()[0] == 200)


def test_logs_are_filtered_by_words_and_time(site):
    site.answer("/fail")
    found = eventually(lambda: site.nuages("logs", "web", "--grep", "the view fails").stdout)
    assert {line.split()[0] for line in found.splitlines()} == {"web"}
    assert "RuntimeError" in site.nuages("logs", "--since", "10m").stdout
    time.sleep(1.1)
    assert site.nuages("logs", "web", "--since", "1s", "--grep", "about to fail").stdout == ""
    assert "hint:" in site.refused("logs", "nobody")


def test_one_off_commands_pass_on_their_exit_status_and_output(site):
    assert site.nuages("run", "sh", "-c", "exit 7", check=False).returncode == 7
    assert site.nuages("manage", "check", "--no-such-option", check=False).returncode == 2
    assert site.nuages("manage", "shell", "-c", "from django.conf import settings; print(settings.DEBUG)").stdout.endswith(
        "False\n"
    )
    assert site.nuages("shell", said="print(6 * 7)\n").stdout.strip().endswith("42")
    assert site.nuages("run", "python", "-c", "import sys; print(sys.stdin.read())", said="typed").stdout == "typed\n"
    assert "hint:" in site.refused("run", "no-such-command-here")


def test_settings_tell_every_change_and_its_reason(site):
    changes = {c["setting"]: c for c in json.loads(site.nuages("settings", "diff", "--json").stdout)}
    assert {"DEBUG", "SECRET_KEY", "ALLOWED_HOSTS"} <= set(changes)
    assert all(change["reason"] for change in changes.values())
    assert "SECRET_KEY" in site.nuages("settings", "diff").stdout


def test_releases_list_what_has_been_live_with_its_reason(site):
    listed = json.loads(site.nuages("releases", "--json").stdout)
    assert [r["number"] for r in listed if r["live"]] == [site.status()["release"]]
    assert all(r["why"] and r["at"] for r in listed)


# --- up ----------------------------------------------------------------------------------------------------------


def test_up_in_the_foreground_shows_the_logs_and_stops_what_it_started(tmp_path):
    with a_site(tmp_path) as site:
        process = site.start_nuages("up", "--port", site.port)
        said = [next(line for line in process.stdout if "Ctrl-C" in line)]
        site.answer("/fail")
        eventually(lambda: "the view fails" in (site.state / "logs" / "web.log").read_text())
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "the view fails" in out, said
        assert "nuages start" in out
        assert site.pids() == {}
        assert "Traceback (most" not in err


def test_two_ups_at_once_the_second_says_who_holds_the_lock(site):
    first = site.version("first").start_nuages("up", "-d")
    lock = site.state / "lock.json"
    eventually(lambda: first.poll() is not None or lock.exists(), timeout=60)
    said = site.refused("maintenance", "on")
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, out + err
    assert f"pid {first.pid}" in said
    assert "nuages up" in said
    assert "first" in site.get()


def test_a_plan_says_what_an_up_would_do_and_does_nothing(site):
    before = snapshot(site)
    assert site.nuages("plan", check=False).returncode in (0, 2)
    site.version("planned")
    done = site.nuages("plan", check=False)
    assert done.returncode == 2
    assert "code changed" in done.stdout
    assert snapshot(site) == before
    steps = json.loads(site.nuages("plan", "--json", check=False).stdout.splitlines()[-1])["steps"]
    assert all(step["action"] in "+~-!?" for step in steps)


def snapshot(site: Site) -> tuple:
    return os.readlink(site.state / "live"), sorted(p.name for p in (site.state / "numbered").iterdir()), len(site.pids())


def test_another_folder_of_the_same_name_is_refused_with_a_hint(site, tmp_path):
    other = Site(tmp_path, "shop")
    other.data = site.data
    said = other.refused("up", "-d", "--port", other.port)
    assert str(site.root) in said
    assert 'name = "..."' in said
    assert "version" in site.get()


def test_two_sites_live_side_by_side(site, tmp_path):
    with a_site(tmp_path, "Über Shop") as other:
        other.version("other").up()
        assert "other" in other.get()
        assert "other" not in site.get()
        other.nuages("down")
        assert "version" in site.get()


def test_destroy_asks_and_then_leaves_nothing(tmp_path):
    with a_site(tmp_path) as site:
        site.up()
        assert "nothing was removed" in site.refused("destroy", said="no\n")
        assert site.answer()[0] == 200
        site.nuages("destroy", said="shop\n")
        assert not site.state.exists()
        assert site.pids() == {}
        assert re.search("manage.py", " ".join(os.listdir(site.root)))
