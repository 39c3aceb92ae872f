"""A dump is one tar with what it held; one that is cut off or changed is never taken for whole."""

import io
import subprocess
import tarfile

import pytest
from shipped_dataside import archive, refusal


MANIFEST = {"format": 1, "engine": "sqlite", "tables": {"books_book": 2}}


@pytest.fixture
def dump(tmp_path):
    path = str(tmp_path / "dumps" / "shop.tar")
    with archive.Writer(path, "database.sqlite3") as writer:
        writer.take(io.BytesIO(b"pages" * 1000))
        writer.finish(MANIFEST)
    return path


def test_it_holds_the_database_and_what_was_in_it(dump):
    with archive.opened(dump) as (manifest, stream):
        assert stream.read() == b"pages" * 1000
    assert manifest["tables"] == {"books_book": 2}
    assert manifest["bytes"] == 5000


def test_any_tar_opens_it(dump):
    listed = subprocess.run(["tar", "tf", dump], capture_output=True, text=True, check=True).stdout.split()
    assert listed == ["database.sqlite3", "manifest.json"]


def test_only_its_owner_may_read_it(dump, tmp_path):
    assert (tmp_path / "dumps" / "shop.tar").stat().st_mode & 0o777 == 0o600


def test_one_that_was_cut_off_is_refused(dump):
    with open(dump, "r+b") as file:
        file.truncate(3000)
    with pytest.raises(refusal.RefusedError, match="no dump of Nuages"), archive.opened(dump):
        pass


def test_one_whose_content_is_another_is_refused(dump):
    with open(dump, "r+b") as file:
        file.seek(700)
        file.write(b"?")
    with pytest.raises(refusal.RefusedError, match="damaged"), archive.opened(dump):
        pass


def test_something_else_is_refused_by_name(tmp_path):
    path = tmp_path / "holiday.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("beach.jpg"))
    with pytest.raises(refusal.RefusedError, match="no dump of Nuages") as told, archive.opened(str(path)):
        pass
    assert "beach.jpg" in told.value.detail


def test_one_of_a_newer_nuages_is_refused(tmp_path):
    path = str(tmp_path / "new.tar")
    with archive.Writer(path, "database.dump") as writer:
        writer.take(io.BytesIO(b""))
        writer.finish({**MANIFEST, "format": 2})
    with pytest.raises(refusal.RefusedError, match="newer Nuages"), archive.opened(path):
        pass


def test_a_dump_that_did_not_come_to_its_end_leaves_nothing(tmp_path):
    with archive.Writer(str(tmp_path / "shop.tar"), "database.dump") as writer:
        writer.take(io.BytesIO(b"half"))
    assert list(tmp_path.iterdir()) == []
