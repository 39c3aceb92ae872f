"""nuages db and nuages backup, where nothing can be done."""

import pytest

from nuages.errors import DataError, UsageError


@pytest.mark.parametrize(
    "words", [("db", "backup"), ("db", "list"), ("db", "restore", "x"), ("backup", "now"), ("backup", "verify")]
)
def test_without_a_deploy_there_is_nothing_to_dump(nuages, project, words):
    assert isinstance(nuages(*words).exception, UsageError)


def test_a_restore_wants_to_know_of_what(nuages, deployed):
    told = nuages("db", "restore", "--yes").exception
    assert told.what == "which dump?"
    assert "nuages db list" in told.hint


def test_a_dump_is_never_written_over_a_file(nuages, deployed, tmp_path):
    (tmp_path / "shop.tar").write_text("of yesterday")
    assert "there already" in nuages("db", "backup", str(tmp_path / "shop.tar")).exception.what
    assert "no such folder" in nuages("db", "backup", str(tmp_path / "none" / "shop.tar")).exception.what


def test_a_slip_changes_nothing(nuages, deployed):
    told = nuages("db", "restore", "shop-20261125", input="shopp\n").exception
    assert told.what == "'shopp' is not its name; nothing was changed"


def test_where_nobody_answers_yes_is_named(nuages, deployed):
    told = nuages("db", "restore", "shop-20261125", input="").exception
    assert (told.what, told.hint) == ("nobody is here to ask; nothing was changed", "--yes says that it is meant")


def test_nobody_is_asked_about_a_file_that_is_not_there(nuages, deployed):
    assert nuages("db", "restore", "nosuch.tar", input="shop\n").exception.what == "there is no file nosuch.tar"


def test_a_release_that_can_t_be_entered_is_told(nuages, deployed):
    """Two releases on disk that no build has made."""
    told = nuages("db", "list").exception
    assert isinstance(told, DataError)
    assert told.what


def test_colons_are_words_too(nuages, project):
    assert isinstance(nuages("db:list").exception, UsageError)
    assert "--only" in nuages("backup:restore", "--help").output


def test_a_new_server_must_be_named(nuages, project, tmp_path):
    told = nuages("backup", "restore", "--on-new-server", "--yes").exception
    assert told.what == "no server is declared"
