"""The policy that a release carries, and what people see of the changes."""

import json
from pathlib import Path

from nuages.environments.model import Requirements
from nuages.project.model import Files, Probe
from nuages.settings.overlay import changes_of, make_policy, notes_of, render, rows
from nuages.topology.model import Tls, Topology


KEYS = {
    "version", "site", "number", "build", "phase", "settings_module", "project", "manage_dir", "domains", "port", "bind", "tls", "trusted_proxies", "wsgi", "asgi", "interface",
    "static_root", "static_serve", "media_root", "data_dir", "overrides", "leave", "log_format", "health", "drain", "errors", "workers", "threads", "generated_names",
}  # fmt: skip
CHANGES = (
    {"setting": "DEBUG", "old": "True", "new": "False", "reason": "safer"},
    {"setting": "EMAIL_TIMEOUT", "old": "", "new": "10", "reason": "a server may hang"},
    {"setting": "CACHES", "old": "{}", "new": "{}", "reason": "stays", "note": True},
)


def policy_of(root, **declared):
    files = Files(root, "src/manage.py", "shop.settings", (), "shop.wsgi:application", "", Requirements("none"), (), ())
    places = {name: root / name for name in ("static_root", "static_serve", "media_root", "data_dir")}
    return make_policy(Topology(root=root, name="shop", **declared), files, project_dir=root / "source", **places)


def probe_of(changes):
    return Probe("5.2", "3.13", "shop.settings", changes, (), {}, ())


def test_the_policy_has_exactly_the_keys_that_the_runtime_reads(tmp_path):
    policy = policy_of(tmp_path, domains=("shop.example",), tls=Tls(enabled=True))
    assert set(policy) == KEYS
    assert json.loads(json.dumps(policy)) == policy
    assert policy["manage_dir"] == str(tmp_path / "source" / "src")


def test_what_nuages_toml_names_is_taken_over_what_was_found(tmp_path):
    policy = policy_of(tmp_path, settings="shop.live", interface="asgi", port=9000)
    assert (policy["settings_module"], policy["interface"], policy["port"]) == ("shop.live", "asgi", 9000)


def test_changes_are_told_apart_from_what_stays():
    probe = probe_of(CHANGES)
    assert [change.setting for change in changes_of(probe)] == ["DEBUG", "EMAIL_TIMEOUT"]
    assert [change.setting for change in notes_of(probe)] == ["CACHES"]


def test_a_diff_shows_old_new_and_why():
    text = render(rows(probe_of(CHANGES)), width=40)
    assert "~ DEBUG  (safer)\n    - True\n    + False" in text
    assert "+ EMAIL_TIMEOUT" in text
    assert "= CACHES  (stays)" in text


def test_a_long_value_is_cut_to_the_width():
    changes = ({"setting": "X", "old": "a" * 200, "new": "b", "reason": "r"},)
    assert max(map(len, render(rows(probe_of(changes)), width=60).splitlines())) == 60


def test_the_places_are_paths_of_text(tmp_path):
    assert policy_of(tmp_path)["data_dir"] == str(Path(tmp_path) / "data_dir")
