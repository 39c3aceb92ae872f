"""The example is an ordinary developer's project: it works as it is, and nobody prepared it for production."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from nuages.project.procfile import parse_procfile


LIBRARY = Path(__file__).parents[2] / "examples" / "library"
TEMPLATES = sorted(LIBRARY.glob("catalog/templates/**/*.html"))
STATIC = LIBRARY / "catalog" / "static"


def first_books() -> ModuleType:
    spec = importlib.util.spec_from_file_location("first_books", LIBRARY / "catalog" / "first_books.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_settings_are_those_of_development() -> None:
    text = (LIBRARY / "library" / "settings.py").read_text()
    for line in ("DEBUG = True", "ALLOWED_HOSTS = []", 'SECRET_KEY = "django-insecure-'):
        assert line in text
    assert "STATIC_ROOT" not in text


def test_it_requires_nothing_that_production_adds() -> None:
    assert (LIBRARY / "requirements.txt").read_text().split() == ["Django>=5.2,<5.3", "pillow"]


def test_its_procfile_has_a_web_a_worker_and_a_release_line() -> None:
    processes = parse_procfile((LIBRARY / "Procfile").read_text()).processes
    assert [p.name for p in processes] == ["web", "worker", "release"]


def test_nothing_that_it_writes_is_part_of_it() -> None:
    ignored = (LIBRARY / ".gitignore").read_text().split()
    assert {"db.sqlite3", "media/"} <= set(ignored)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_static_file_that_a_template_names_exists(template: Path) -> None:
    for name in re.findall(r"{% static '([^']+)' %}", template.read_text()):
        assert (STATIC / name).is_file(), name


def test_every_file_that_the_style_sheet_names_exists() -> None:
    sheet = STATIC / "catalog" / "site.css"
    names = re.findall(r'url\("([^"]+)"\)', sheet.read_text())
    assert names
    assert all((sheet.parent / name).is_file() for name in names)


def test_every_book_has_an_author_and_every_loan_a_book() -> None:
    books = first_books()
    assert {book[1] for book in books.BOOKS} == {author[0] for author in books.AUTHORS}
    assert {loan[0] for loan in books.LOANS} <= {book[0] for book in books.BOOKS}


def test_no_more_copies_are_out_than_there_are() -> None:
    out = Counter(loan[0] for loan in first_books().LOANS if loan[4] is None)
    assert max(out.values()) == 2  # all copies of one book, so that a reader meets "all copies are out"


def test_the_login_page_shows_the_password_that_opens() -> None:
    migration = (LIBRARY / "catalog" / "migrations" / "0002_first_books.py").read_text()
    shown = re.search(r"password <code>([^<]+)</code>", (LIBRARY / "catalog/templates/registration/login.html").read_text())
    assert shown
    assert f'make_password("{shown[1]}"' in migration
