"""What belongs to a release: what git would track, and nothing that holds secrets or data."""

import os
import subprocess
import tarfile
import time

import pytest

from nuages.errors import ProjectError
from nuages.hosts.local import LocalTransport
from nuages.release.source import read_source


GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always")


def git(folder, *words):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, env=env)


def commit(folder):
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "as it is")


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "shop"
    (root / "shop").mkdir(parents=True)
    (root / "manage.py").write_text("# manage")
    (root / "shop" / "settings.py").write_text("DEBUG = True")
    return root


@pytest.fixture
def repository(project):
    git(project, "init", "-q", "-b", "main")
    commit(project)
    return project


@pytest.fixture
def read(tmp_path):
    return lambda root: read_source(root, LocalTransport(), tmp_path / "cache" / "digests.json")


def put(root, *names, text="x"):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_tracked_and_new_files_belong_to_it_and_ignored_ones_do_not(repository, read):
    put(repository, ".gitignore", text="ignored/\n*.log\n")
    put(repository, "new.py", "ignored/a.py", "shop/debug.log")
    assert read(repository).files == (".gitignore", "manage.py", "new.py", "shop/settings.py")


def test_a_file_that_was_removed_but_not_committed_is_gone(repository, read):
    (repository / "shop" / "settings.py").unlink()
    assert read(repository).files == ("manage.py",)


@pytest.mark.parametrize("in_git", [True, False])
def test_secrets_and_databases_never_travel_even_when_tracked(project, read, in_git):
    put(
        project,
        ".env",
        ".env.local",
        "shop/.env.production",
        "prod.env",
        "db.sqlite3",
        "db.sqlite3-wal",
        "db.sqlite3-journal",
        "x.pyc",
    )
    put(project, ".env.example", "settings.env.sample", "environment.py")
    if in_git:
        git(project, "init", "-q")
        git(project, "add", "-f", ".")
    found = set(read(project).files)
    assert found == {".env.example", "settings.env.sample", "environment.py", "manage.py", "shop/settings.py"}


def test_rows_that_were_dumped_into_the_folder_stay_there(project, read):
    (project / "shop.tar").write_bytes(tarfile.TarInfo("database.dump").tobuf(tarfile.GNU_FORMAT))
    (project / "old.tar").write_bytes(tarfile.TarInfo("database.sqlite3").tobuf(tarfile.GNU_FORMAT))
    (project / "latest.dump").write_bytes(b"PGDMP\x01\x0e")
    (project / "icons.tar").write_bytes(tarfile.TarInfo("database.svg").tobuf(tarfile.GNU_FORMAT))
    (project / "core.dump").write_text("a fixture")
    (project / "gone.tar").symlink_to("nowhere")
    assert set(read(project).files) == {"core.dump", "gone.tar", "icons.tar", "manage.py", "shop/settings.py"}


@pytest.mark.parametrize("in_git", [True, False])
@pytest.mark.parametrize(
    "name", ["two words.py", "new\nline.py", "naïve-日本.py", "-dash.py", "quo'te\".py", "tab\t.py", "a\\b.py"]
)
def test_any_name_of_a_file_will_do(project, read, in_git, name):
    put(project, name)
    if in_git:
        git(project, "init", "-q")
        commit(project)
    assert name in read(project).files


def test_a_name_that_is_no_text_will_do(repository, read):
    with open(os.path.join(os.fsencode(repository), b"latin-\xe9.txt"), "w") as file:
        file.write("x")
    try:
        source = read(repository)
    except ProjectError as error:
        assert "latin-" in str(error)  # noqa: PT017
    else:
        assert len(source.files) == 3


def test_files_of_a_submodule_belong_to_it(repository, read, tmp_path):
    theme = tmp_path / "theme"
    put(theme, "style.css", "with space.css")
    git(theme, "init", "-q")
    commit(theme)
    git(repository, "submodule", "add", "-q", str(theme), "vendor/theme")
    assert {"vendor/theme/style.css", "vendor/theme/with space.css"} <= set(read(repository).files)


def test_outside_git_everything_but_the_usual_debris_belongs_to_it(project, read):
    put(project, "node_modules/x/index.js", ".venv/bin/python", "shop/__pycache__/a.pyc", ".idea/workspace.xml", "data.json")
    put(project, "myenv/pyvenv.cfg", "myenv/lib/site.py")
    assert read(project).files == ("data.json", "manage.py", "shop/settings.py")


def test_a_project_in_a_folder_of_a_repository_is_that_folder_alone(repository, read):
    put(repository, "backend/manage.py", "other.py")
    assert read(repository / "backend").files == ("manage.py",)


def test_the_commit_and_its_cleanliness_are_told(repository, read):
    clean = read(repository)
    assert (len(clean.commit), clean.branch, clean.dirty) == (40, "main", False)
    put(repository, "new.py")
    assert (read(repository).commit, read(repository).dirty) == (clean.commit, True)


def test_a_repository_without_a_commit_has_none(project, read):
    git(project, "init", "-q")
    assert (read(project).commit, read(project).dirty) == ("", True)


def test_the_digest_is_of_the_content_and_not_of_the_time(project, read):
    before = read(project).digest
    (project / "manage.py").write_text("# manage")
    os.utime(project / "manage.py", (1, 1))
    assert read(project).digest == before


def test_a_change_of_the_same_length_is_seen(project, read):
    before = read(project).digest
    time.sleep(0.01)
    (project / "manage.py").write_text("# MANAGE")
    assert read(project).digest != before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "manage.py").chmod(0o755),
        lambda root: (root / "manage.py").rename(root / "manage2.py"),
        lambda root: (root / "link").symlink_to("manage.py"),
        lambda root: (root / "empty.py").touch(),
    ],
    ids=["executable", "renamed", "link", "empty file"],
)
def test_the_digest_sees(project, read, change):
    before = read(project).digest
    change(project)
    assert read(project).digest != before


def test_a_link_counts_by_where_it_points(project, read):
    (project / "link").symlink_to("manage.py")
    before = read(project).digest
    (project / "link").unlink()
    (project / "link").symlink_to("nowhere")
    assert "link" in read(project).files
    assert read(project).digest != before


def test_two_copies_of_a_project_have_the_same_digest(project, read, tmp_path):
    import shutil

    shutil.copytree(project, tmp_path / "copy")
    assert read_source(tmp_path / "copy", LocalTransport(), tmp_path / "other.json").digest == read(project).digest


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"manage.py": 3}', '{"manage.py": ["a"]}', '{"manage.py": []}'])
def test_a_damaged_memory_of_digests_is_made_again(project, read, tmp_path, damage):
    before = read(project).digest
    (tmp_path / "cache" / "digests.json").write_text(damage)
    assert read(project).digest == before


def test_a_folder_without_files_says_so(tmp_path, read):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProjectError, match="no files"):
        read(tmp_path / "empty")


def test_what_is_declared_for_the_servers_is_no_code(project, read):
    """Else a comment in nuages.toml would be a release that says `code changed`."""
    before = read(project)
    put(project, "nuages.toml", text='domains = ["shop.example"]\n')
    assert read(project) == before
