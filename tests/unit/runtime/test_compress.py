"""Compressed static files: each content once, whatever names and releases it has."""

import gzip
import os

import pytest

from nuages.runtime.compress import compress, forget, main


pytest.importorskip("whitenoise")
TEXT = b"body { color: rebeccapurple }\n" * 400


@pytest.fixture
def static(tmp_path):
    folder = tmp_path / "static" / "css"
    folder.mkdir(parents=True)
    for name in ("site.css", "site.0dad270ead23.css"):
        (folder / name).write_bytes(TEXT)
    (folder / "photo.png").write_bytes(TEXT)
    return folder


def test_each_name_gets_its_compressed_copy_and_images_none(static, tmp_path):
    main(str(static.parent), str(tmp_path / "kept"))
    for name in ("site.css", "site.0dad270ead23.css"):
        assert gzip.decompress((static / f"{name}.gz").read_bytes()) == TEXT
    assert not (static / "photo.png.gz").exists()


def test_what_was_compressed_once_is_not_compressed_again(static, tmp_path):
    main(str(static.parent), str(tmp_path / "kept"))
    first = (static / "site.css.gz").stat().st_ino
    (static / "site.css.gz").unlink()
    main(str(static.parent), str(tmp_path / "kept"))
    assert (static / "site.css.gz").stat().st_ino == first


def test_a_content_that_does_not_shrink_is_tried_once_and_leaves_nothing_beside_it(static, tmp_path):
    path = static / "noise.bin"
    path.write_bytes(os.urandom(2000))
    tool = Tool()
    compress(tool, "ab12", [str(path)], str(tmp_path / "kept"))
    compress(tool, "ab12", [str(path)], str(tmp_path / "kept"))
    assert tool.asked == 1
    assert not path.with_name("noise.bin.gz").exists()


def test_what_no_release_asked_for_in_a_month_is_forgotten(static, tmp_path):
    kept = tmp_path / "kept"
    main(str(static.parent), str(kept))
    forget(str(kept), before=4_000_000_000)
    assert not list(kept.rglob("file.gz"))
    assert (static / "site.css.gz").exists()


class Tool:
    use_brotli = False
    asked = 0

    def compress(self, path):
        self.asked += 1
