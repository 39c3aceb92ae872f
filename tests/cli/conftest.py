"""The verbs against the state of a site on disk that no build and no process has touched."""

import pytest
from click.testing import CliRunner

from nuages.cli import root
from nuages.release.layout import local_site
from nuages.testing import shop_config, shop_release, write_site


CONFIG = {"EMPTY": "", "PASSWORD": "hunter2"}


@pytest.fixture
def project(tmp_path, data_home):
    """A folder with a project in it; nothing of it was ever deployed."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "manage.py").touch()
    return folder


@pytest.fixture
def deployed(project):
    """Two releases on disk, the second one live, nothing running. Returns the layout of its state."""
    releases = (shop_release(1, by="ada", why="first deploy"), shop_release(2, "b2", 2, commit="c0ffee11aa", dirty=True))
    return write_site(
        local_site("shop"), project, *releases, config=shop_config(version=2, env=CONFIG, files={"keys.json": "{}"})
    )


@pytest.fixture
def nuages(project):
    """Runs a verb in the project's folder; the result has `output`, `stderr`, `exit_code` and `exception`."""
    return lambda *words, **how: CliRunner().invoke(root, ["-C", str(project), *words], **how)
