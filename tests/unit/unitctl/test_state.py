"""Which generation is live, and folders that belong to the site's own user: root follows nothing there."""

import ast
import json
import os
from pathlib import Path

import pytest
from shipped_unitctl import state


@pytest.fixture
def site(tmp_path):
    site = state.Site(str(tmp_path / "shop"))
    os.makedirs(site.run_dir)
    return site


def test_the_link_is_what_says_which_generation_is_live(site):
    assert site.live() is None
    site.go_live("v1-aa")
    site.go_live("v2-bb")

    assert site.live() == "v2-bb"
    assert os.readlink(site.link) == "/run/nuages-shop/v2-bb/web.sock"
    assert os.listdir(site.run_dir) == ["web.sock"]


def test_a_switch_that_was_cut_short_leaves_no_obstacle(site):
    os.symlink("nowhere", site.link + ".partial")
    site.go_live("v1-aa")

    assert site.live() == "v1-aa"


def test_a_change_that_fails_half_way_is_not_remembered(site):
    def change():
        with site.changing() as kept:
            kept["up"] = True
            raise ValueError

    with pytest.raises(ValueError):
        change()

    assert site.load()["up"] is False


def test_two_changes_at_once_wait_for_each_other(site):
    with site.changing(), pytest.raises(state.RefusedError), site.changing(timeout=0.1):
        pass


def test_a_report_is_read_only_where_it_is_a_plain_file_of_a_plain_folder(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"ok": true}')
    folder = tmp_path / "proof"
    folder.mkdir()
    (folder / "good.json").write_text('{"ok": true}')
    (folder / "link.json").symlink_to(secret)
    os.mkfifo(folder / "pipe.json")
    (folder / "list.json").write_text("[]")
    (folder / "huge.json").write_text(json.dumps({"x": "y" * state.MOST}))

    with state.untrusted(str(tmp_path), "proof") as opened:
        found = {name: state.read_untrusted(opened, name) for name in sorted(os.listdir(folder))}

    assert found == {"good.json": {"ok": True}, "huge.json": None, "link.json": None, "list.json": None, "pipe.json": None}


def test_a_folder_that_was_swapped_for_a_link_is_not_entered(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "proof").symlink_to(tmp_path / "elsewhere")

    with state.untrusted(str(tmp_path), "proof") as opened:
        assert opened is None


def test_a_mark_is_not_written_through_a_link(tmp_path):
    (tmp_path / "go").symlink_to(tmp_path / "made-by-root")
    with state.untrusted(str(tmp_path)) as opened:
        state.touch_untrusted(opened, "go")

    assert not (tmp_path / "made-by-root").exists()


@pytest.mark.parametrize("file", sorted(Path(state.__file__).parent.glob("*.py")), ids=lambda file: file.name)
def test_the_programs_are_written_for_python_3_9(file):
    """Of the host, whichever it has: Debian 11's is the oldest."""
    ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
