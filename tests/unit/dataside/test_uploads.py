"""Uploaded files: a sample by digest, and put back one by one."""

from shipped_dataside import uploads


def test_a_sample_is_spread_over_all(tmp_path):
    for number in range(1000):
        (tmp_path / f"{number:04d}.txt").write_text(str(number))
    told = uploads.described(str(tmp_path))
    assert told["count"] == 1000
    assert len(told["sample"]) == uploads.SAMPLE
    assert {"0000.txt", "0990.txt"} <= set(told["sample"])


def test_one_that_changed_or_went_is_told(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    sample = uploads.described(str(tmp_path))["sample"]
    (tmp_path / "a").write_text("other")
    (tmp_path / "b").unlink()
    assert uploads.differing(str(tmp_path), sample) == ["a", "b"]


def test_what_is_put_back_takes_nothing_away(tmp_path):
    backup, media, kept = (tmp_path / name for name in ("backup", "media", "kept"))
    for folder, files in (
        (backup, {"sub/lost": "1", "changed": "old", "same": "s"}),
        (media, {"changed": "new", "same": "s", "later": "l"}),
    ):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    assert uploads.merge(str(backup), str(media), str(kept)) == {"placed": 2, "replaced": 1}
    found = {str(p.relative_to(media)): p.read_text() for p in media.rglob("*") if p.is_file()}
    assert found == {"sub/lost": "1", "changed": "old", "same": "s", "later": "l"}
    assert (kept / "changed").read_text() == "new"


def test_links_are_no_uploads(tmp_path):
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    assert uploads.described(str(tmp_path))["count"] == 0
