"""What a generation is started from: variables as systemd reads them, scripts that people can read."""

import os
import shlex
import stat
from pathlib import Path

import pytest
from shipped_unitctl import state, written


def read_back(text):
    """systemd's own rules for a value in double quotes (load_env_file of its sources), for what we write."""
    values, position = {}, 0
    while position < len(text):
        name, position = text[position : text.index("=", position)], text.index("=", position) + 2
        value = ""
        while text[position] != '"':
            if text[position] == "\\":
                position += 1
                value += text[position] if text[position] in '"\\`$' else "\\" + text[position]
            else:
                value += text[position]
            position += 1
        values[name], position = value, position + 2
    return values


@pytest.mark.parametrize(
    "value",
    ["", "plain", "two\nlines\n", "a\"b'c", "\\", "\\\\n", "$HOME `id` ${X}", " # no comment ", "é ☃ 𝄞", "\t\r\x1b", "a\\\nb"],
)
def test_a_value_reaches_the_process_as_it_was_set(value):
    assert read_back(written.variables({"A": value, "B": "next"})) == {"A": value, "B": "next"}


@pytest.mark.parametrize(("name", "value"), [("WITH-HYPHEN", "x"), ("1ST", "x"), ("A B", "x"), ("A", "nul\0"), ("A", "\udc80")])
def test_what_systemd_would_silently_leave_out_is_refused(name, value):
    with pytest.raises(state.RefusedError):
        written.variables({name: value})


@pytest.fixture
def site(tmp_path):
    site = state.Site(str(tmp_path / "shop"))
    os.makedirs(site.generation_dir("v1-aa"))
    Path(site.generation_dir("v1-aa"), "spec.json").write_text("{}")
    return site


def process(**values):
    likely = {
        "name": "web",
        "kind": "web",
        "argv": ["serve", "--uds", "{socket}", "it's"],
        "env": {"KEY": "hush"},
        "cwd": "/srv/a b",
    }
    return {**likely, **values}


def text(folder, name):
    return Path(folder, name).read_text(encoding="utf-8")


def write(site, *processes):
    written.write_generation(site, "v1-aa", {"processes": list(processes)}, os.getgid())
    return site.generation_dir("v1-aa")


def test_a_script_names_the_socket_of_its_generation_and_quotes_its_words(site):
    folder = write(site, process())
    last = text(folder, "web").splitlines()[-1]

    assert shlex.split(last) == ["exec", "serve", "--uds", "/run/nuages-shop/v1-aa/web.sock", "it's"]


def test_secrets_are_in_a_file_that_root_alone_reads_and_in_no_script(site):
    folder = write(site, process(), process(name="worker", kind="worker"))

    for name in ("web", "web.stop", "worker"):
        assert "hush" not in text(folder, name)
        assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o750
    for name in ("web.env", "worker.env"):
        assert 'KEY="hush"' in text(folder, name)
        assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600


def test_a_second_worker_finds_the_files_of_the_first(site):
    folder = write(site, process(name="worker", kind="worker", instances=3))

    assert os.path.exists(folder + ".2/worker")
    site.forget("v1-aa")
    assert os.listdir(os.path.dirname(folder)) == []


def test_websockets_get_longer_to_say_goodbye(site, tmp_path):
    (tmp_path / "policy.json").write_text('{"interface": "asgi"}')
    folder = write(site, process(env={"NUAGES_RELEASE": str(tmp_path)}))

    assert f"sleep {written.WEBSOCKETS:g}\n" in text(folder, "web.stop")


def test_the_spec_is_for_root_alone_whoever_wrote_it(site):
    folder = write(site, process())

    assert stat.S_IMODE(os.stat(os.path.join(folder, "spec.json")).st_mode) == 0o600
