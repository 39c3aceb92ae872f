"""requirements.txt as it is found in the wild."""

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nuages.environments import find_requirements
from nuages.environments.forms.requirement_files import read


def wishes(root, text, name="requirements.txt"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return read(root, (name,))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("django==5.2  # the framework", ("django==5.2",)),
        ("django==5.2 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\n", ("django==5.2",)),
        ("\ufeffdjango\r\n\r\ncelery\r\n", ("django", "celery")),
        ("git+https://g/x.git@v1#egg=x", ("x @ git+https://g/x.git@v1",)),
        ("-e git+https://g/x.git#egg=x&subdirectory=lib", ("x @ git+https://g/x.git#subdirectory=lib",)),
        ("x @ https://h/x-1.zip#sha256=aa", ("x @ https://h/x-1.zip#sha256=aa",)),
        ("psycopg[binary]>=3 ; sys_platform != 'win32'", ("psycopg[binary]>=3 ; sys_platform != 'win32'",)),
    ],
)
def test_lines_are_read_as_pip_reads_them(tmp_path, text, lines):
    assert wishes(tmp_path, text).lines == lines


def test_a_powershell_freeze_in_utf_16_is_read(tmp_path):
    (tmp_path / "requirements.txt").write_text("django==5.2\n", encoding="utf-16")
    assert read(tmp_path, ("requirements.txt",)).lines == ("django==5.2",)


def test_includes_and_constraints_are_followed_and_circles_end(tmp_path):
    wishes(tmp_path, "-c ../limits.txt\n--requirement=../requirements.txt\ncelery", "requirements/base.txt")
    wishes(tmp_path, "django<6", "limits.txt")
    found = wishes(tmp_path, "-rrequirements/base.txt\n-r gone.txt\ndjango")
    assert found.lines == ("celery", "django")
    assert found.constraints == ("django<6",)
    assert found.files == ("requirements.txt", "requirements/base.txt", "limits.txt")
    assert found.notes == ("gone.txt is included and is not there",)


def test_private_indexes_are_told_without_their_password(tmp_path):
    text = "--extra-index-url https://me:s3cret@pkg.example/simple\n--index-url=https://pypi.python.org/simple\ngit+https://tok@g/x#egg=x\n-f https://f/\n--pre\ndjango"
    found = wishes(tmp_path, text)
    shown = find_requirements(tmp_path, SimpleNamespace(requirements=(), extras=()))
    assert shown.indexes == ("https://pkg.example/simple",)
    assert shown.vcs == ("x @ git+https://***@g/x",)
    assert "s3cret" not in repr(found) + repr(shown)
    assert found.default_index is None
    assert found.find_links == ("https://f/",)
    assert found.prerelease


def test_the_project_itself_is_not_installed_but_what_it_needs_is(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\ndependencies = ["django"]\n[project.optional-dependencies]\nx = ["y"]'
    )
    found = wishes(tmp_path, "-e .[x]\ncelery")
    assert found.lines == ("django", "y", "celery")
    assert "not installed" in " ".join(found.notes)


def test_local_packages_are_named_from_the_project_root(tmp_path):
    (tmp_path / "libs" / "core").mkdir(parents=True)
    found = wishes(tmp_path, "-e ../libs/core\n./gone\ncore2 @ file:libs/core", "requirements/base.txt")
    assert found.lines == ("./libs/core",)
    assert found.folders == ("libs/core",)
    assert "gone" in found.notes[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.text(max_size=40), st.from_regex(r"-{1,2}[a-z-]{1,12}[ =]?[ -~]{0,20}")), max_size=8))
def test_no_line_however_hostile_ends_in_a_traceback_or_an_option(tmp_path, text):
    found = wishes(tmp_path, "\n".join(text))
    assert not any(line.startswith("-") or "\n" in line for line in found.lines)
