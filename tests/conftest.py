"""Goldens: `--update-golden` writes what is there now, to be read and committed."""

import signal
from pathlib import Path

import pytest


GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files as they come out now")


# A shell starts what runs in its background with Ctrl-C ignored, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def golden(request):
    """Compares a text with tests/golden/<name>."""

    def compare(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"there is no {path.name} yet: pytest --update-golden"
        assert text == path.read_text()

    return compare


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    """State of sites goes to an empty folder of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"
