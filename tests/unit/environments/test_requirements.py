"""Which file says what a project needs."""

import textwrap
from types import SimpleNamespace

import pytest

from nuages.environments import find_requirements
from nuages.environments.requirements import read_wishes
from nuages.errors import EnvironmentBuildError


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def files(root, content):
    for name, text in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))


def found(root, requirements=(), extras=()):
    return find_requirements(root, SimpleNamespace(requirements=requirements, extras=extras))


def lines(root, **declared):
    return read_wishes(root, found(root, **declared)).lines


POETRY = """
    [tool.poetry.dependencies]
    python = "^3.11"
    Django = "^5.2"
    celery = {extras = ["redis"], version = "~5.3.6"}
    pywin32 = {version = "*", markers = "sys_platform == 'win32'"}
    ldap = {version = "1.0", optional = true}
    [tool.poetry.group.dev.dependencies]
    pytest = "*"
"""


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"uv.lock": 'name = "django"', "pyproject.toml": "", "requirements.txt": "django"}, "uv.lock"),
        (
            {
                "poetry.lock": '[[package]]\nname = "django"\nversion = "5.2"',
                "pyproject.toml": POETRY,
                "requirements.txt": "django",
            },
            "poetry.lock",
        ),
        (
            {"Pipfile.lock": '{"default": {"django": {"version": "==5.2"}}}', "requirements.txt": "django"},
            "Pipfile.lock",
        ),
        (
            {"requirements.txt": "django", "pyproject.toml": '[project]\ndependencies = ["django"]'},
            "requirements.txt",
        ),
        (
            {"pyproject.toml": '[project]\ndependencies = ["django"]\n[dependency-groups]\nmain = ["django"]'},
            "pyproject",
        ),
        ({"pyproject.toml": POETRY}, "poetry"),
        ({"Pipfile": '[packages]\ndjango = "*"'}, "Pipfile"),
        ({"pyproject.toml": '[dependency-groups]\nmain = ["django"]'}, "dependency-group"),
        ({"setup.py": 'from setuptools import setup\nsetup(install_requires=["django"])'}, "setup.py"),
        ({}, "none"),
    ],
)
def test_the_best_form_is_used_where_a_project_has_several(tmp_path, content, kind):
    files(tmp_path, content)
    assert found(tmp_path).kind == kind


def test_production_files_win_over_plain_and_development_ones(tmp_path):
    files(tmp_path, {
        "requirements.txt": "django==1", "requirements/dev.txt": "-r base.txt\npytest", "requirements/base.txt": "django==2",
        "requirements/production.txt": "-r base.txt\ngunicorn",
    })  # fmt: skip
    assert found(tmp_path).files == ("requirements/production.txt", "requirements/base.txt")
    assert lines(tmp_path) == ("django==2", "gunicorn")


def test_a_file_without_django_is_passed_over_for_one_with_it(tmp_path):
    files(
        tmp_path,
        {"requirements.txt": "sphinx", "backend/manage.py": "", "backend/requirements.txt": "django"},
    )
    assert found(tmp_path).files == ("backend/requirements.txt",)


def test_only_a_development_file_is_better_than_none_and_is_told(tmp_path):
    files(tmp_path, {"requirements/local.txt": "django", "requirements/zzz.txt": "django"})
    requirements = found(tmp_path)
    assert requirements.files == ("requirements/zzz.txt",)
    assert "requirements/local.txt" in requirements.notes[0]


def test_without_any_file_the_newest_django_is_assumed_and_told(tmp_path):
    assert lines(tmp_path) == ("django",)
    assert "newest Django" in found(tmp_path).notes[0]


def test_nuages_toml_has_the_last_word(tmp_path):
    files(tmp_path, {"requirements.txt": "django", "deploy/all.txt": "wagtail"})
    assert lines(tmp_path, requirements=("deploy/all.txt",)) == ("wagtail",)
    with pytest.raises(EnvironmentBuildError, match=r"nope\.txt is not there"):
        found(tmp_path, requirements=("nope.txt",))


def test_poetry_versions_markers_extras_and_groups_become_requirement_lines(tmp_path):
    files(tmp_path, {"pyproject.toml": POETRY})
    assert lines(tmp_path) == (
        "Django>=5.2,<6",
        "celery[redis]>=5.3.6,<5.4",
        "pywin32 ; sys_platform == 'win32'",
    )


def test_a_poetry_lock_pins_what_the_project_names(tmp_path):
    lock = """
        [[package]]
        name = "django"
        version = "5.2.1"
        [[package]]
        name = "pytest"
        version = "8.0"
        [[package]]
        name = "numpy"
        version = "1.26"
        python-versions = "<3.12"
        [[package]]
        name = "numpy"
        version = "2.1"
        python-versions = ">=3.12"
    """
    files(tmp_path, {"pyproject.toml": POETRY, "poetry.lock": lock})
    wishes = read_wishes(tmp_path, found(tmp_path))
    assert wishes.locked
    assert "django==5.2.1" in wishes.constraints
    assert 'numpy==1.26 ; python_version < "3.12"' in wishes.constraints
    assert not any("pytest" in line for line in wishes.lines)


def test_a_pipfile_lock_leaves_development_out_and_keeps_markers(tmp_path):
    lock = """{"_meta": {"sources": [{"url": "https://pypi.python.org/simple"}]}, "develop": {"black": {"version": "==1"}},
        "default": {"django": {"version": "==5.2", "markers": "python_version >= '3.10'"}, "x": {"git": "https://g/x", "ref": "abc"}}}"""
    files(tmp_path, {"Pipfile.lock": lock})
    assert lines(tmp_path) == ("django==5.2 ; python_version >= '3.10'", "x @ git+https://g/x@abc")
    assert found(tmp_path).indexes == ()


def test_groups_include_groups_and_circles_end(tmp_path):
    groups = '[dependency-groups]\nmain = ["django", {include-group = "Web"}]\nweb = ["whitenoise", {include-group = "main"}]'
    files(tmp_path, {"pyproject.toml": groups})
    assert lines(tmp_path) == ("django", "whitenoise")


def test_extras_are_those_asked_for_and_the_others_are_told(tmp_path):
    files(tmp_path, {"pyproject.toml": '[project]\nname = "shop"\ndependencies = ["django"]\n[project.optional-dependencies]\n'
                     'redis = ["redis"]\nldap = ["ldap"]\nall = ["shop[redis,ldap]"]'})  # fmt: skip
    assert lines(tmp_path) == ("django",)
    assert lines(tmp_path, extras=("redis",)) == ("django", "redis")
    assert lines(tmp_path, extras=("all",)) == ("django", "redis", "ldap")
    assert "redis, ldap, all" in found(tmp_path).notes[0]


def test_uv_sources_replace_names(tmp_path):
    files(tmp_path, {"libs/core/pyproject.toml": "", "pyproject.toml": """
        [project]
        dependencies = ["django", "core", "fork[x]>=1 ; python_version > '3'"]
        [tool.uv.sources]
        core = {path = "libs/core", editable = true}
        fork = {git = "https://u:p@g/fork", tag = "v1"}
    """})  # fmt: skip
    wishes = read_wishes(tmp_path, found(tmp_path))
    assert wishes.lines == (
        "django",
        "./libs/core",
        "fork[x] @ git+https://u:p@g/fork@v1 ; python_version > '3'",
    )
    assert wishes.folders == ("libs/core",)
    assert "u:p" not in str(found(tmp_path))


def test_dynamic_dependencies_of_setuptools_are_read_from_their_file(tmp_path):
    files(tmp_path, {"deps/run.txt": "django", "pyproject.toml": """
        [project]
        dynamic = ["dependencies"]
        [tool.setuptools.dynamic]
        dependencies = {file = ["deps/run.txt"]}
    """})  # fmt: skip
    assert lines(tmp_path) == ("django",)


def test_a_src_layout_names_the_folder_to_import_from(tmp_path):
    files(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "manage.py": "",
            "pyproject.toml": '[project]\ndependencies = ["django"]',
        },
    )
    assert found(tmp_path).sources == ("src",)


@pytest.mark.parametrize(
    "text",
    [
        "[[[",
        "\x00\xff",
        "[project]\ndependencies = 3",
        "[tool.poetry]\ndependencies = []",
        "[dependency-groups]\nmain = 1",
    ],
)
def test_a_broken_manifest_counts_as_none(tmp_path, text):
    (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    assert found(tmp_path).kind == "none"
