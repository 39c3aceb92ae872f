"""Uploads: only what differs travels, private files stay private, and nothing goes that was not meant to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nuages.data.media import Files, difference, folder_here, pull, push
from nuages.errors import DataError


pytestmark = pytest.mark.local


def quiet(_line):
    pass


@pytest.fixture
def folders(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        (folder / "a").mkdir(parents=True)
    (ours / "a" / "ünï code.txt").write_text("new")
    (ours / "same").write_text("same")
    (theirs / "same").write_text("same")
    os.utime(theirs / "same", (1, 1))
    (ours / "grown").write_text("longer")
    (theirs / "grown").write_text("long")
    (theirs / "only").write_text("theirs")
    (ours / "a" / "ünï code.txt").chmod(0o600)
    return folder_here(ours), folder_here(theirs)


def test_size_decides_then_time_then_content(folders):
    found = difference(*folders)
    assert (found.new, found.changed, found.gone) == (("a/ünï code.txt",), ("grown",), ("only",))


def test_what_was_pushed_is_the_same_with_mode_and_time(folders):
    ours, theirs = folders
    push(ours.root, theirs, difference(ours, theirs), quiet, delete=False)
    again = difference(ours, theirs)
    assert (again.paths, again.gone) == ((), ("only",))
    arrived = theirs.root / "a" / "ünï code.txt"
    assert arrived.stat().st_mode & 0o777 == 0o600
    assert int(arrived.stat().st_mtime) == int((ours.root / "a" / "ünï code.txt").stat().st_mtime)


def test_delete_removes_what_only_the_target_has(folders):
    ours, theirs = folders
    push(ours.root, theirs, difference(ours, theirs), quiet, delete=True)
    assert not difference(ours, theirs).gone
    assert not (theirs.root / "only").exists()


def test_a_pull_brings_what_differs(folders):
    ours, theirs = folders
    pull(ours, theirs.root, difference(ours, theirs), quiet, delete=True)
    assert difference(ours, theirs).paths == ()
    assert (theirs.root / "a" / "ünï code.txt").stat().st_mode & 0o777 == 0o600


def test_links_are_not_followed(folders, tmp_path):
    ours, _theirs = folders
    (tmp_path / "secret").write_text("of the server")
    (ours.root / "link").symlink_to(tmp_path / "secret")
    (ours.root / "folder").symlink_to(tmp_path)
    assert not [path for path in ours.listing() if "link" in path or "folder" in path]
    with pytest.raises(DataError):
        ours.digests(["link"])


def test_no_file_goes_out_of_the_folder(folders, tmp_path):
    _ours, theirs = folders
    with pytest.raises(DataError, match="can't be read or written"):
        theirs.ask("place", store=str(tmp_path), files=[], delete=["../ours/same"])
    assert (tmp_path / "ours" / "same").exists()


def test_a_folder_that_is_not_there_has_nothing(tmp_path):
    assert Files(folder_here(tmp_path).place, Path(tmp_path / "none")).listing() == {}
