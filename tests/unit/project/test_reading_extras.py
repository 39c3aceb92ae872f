"""Front-end builds, translations, first-start commands, submodules and hints, from the files alone."""

from __future__ import annotations

import json

import pytest
from mini import SETTINGS, shop, topology

from nuages.errors import TopologyError
from nuages.project import read_files


def read(root, files):
    return read_files(shop(root, files), topology(root))


VITE = "export default { build: { outDir: './static/dist' } }\n"
PACKAGE = json.dumps({"scripts": {"dev": "vite", "build": "vite build"}, "devDependencies": {"vite": "^5"}})


def test_a_build_whose_output_is_not_committed_is_needed(tmp_path):
    front = read(tmp_path, {"package.json": PACKAGE, "vite.config.js": VITE, "pnpm-lock.yaml": "x"}).frontend
    assert (front["tool"], front["script"], front["manager"], front["needed"]) == (
        "vite",
        "build",
        "pnpm",
        True,
    )
    assert front["output"] == ["static/dist"]
    assert front["command"] == "pnpm run build"


def test_a_build_whose_output_is_committed_is_not_needed(tmp_path):
    assert read(tmp_path, {"package.json": PACKAGE, "vite.config.js": VITE, "static/dist/a.js": ""}).frontend["needed"] is False


@pytest.mark.parametrize("text", ['{"scripts": {"test": "jest"}}', "not json", "[]", '{"scripts": 3}', ""])
def test_a_package_json_without_a_build_is_no_front_end(tmp_path, text):
    assert read(tmp_path, {"package.json": text}).frontend == {}


def test_translations_without_their_compiled_file_are_told(tmp_path):
    files = read(
        tmp_path,
        {
            "locale/de/LC_MESSAGES/django.po": "",
            "locale/fr/LC_MESSAGES/django.po": "",
            "locale/fr/LC_MESSAGES/django.mo": "",
        },
    )
    assert files.translations == ("locale/de/LC_MESSAGES/django.po",)
    assert files.bootstrap[0][0] == "compilemessages"


def test_commands_of_a_first_start_are_proposed_with_why(tmp_path):
    settings = SETTINGS + "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.db.DatabaseCache', 'LOCATION': 'c'}}\n"
    entry = "python manage.py migrate\npython manage.py load_countries --all\nexec gunicorn\n"
    files = read(tmp_path, {"shop/settings.py": settings, "entrypoint.sh": entry})
    assert files.bootstrap == (
        ("createcachetable", "the cache is kept in the database"),
        ("load_countries --all", "entrypoint.sh runs it"),
    )


def test_submodules_lfs_env_files_and_system_libraries_are_seen(tmp_path):
    more = {
        ".gitmodules": '[submodule "x"]\n\tpath = vendor/x\n',
        ".gitattributes": "*.psd filter=lfs diff=lfs\n",
        ".env.example": "A=1\n",
        "shop/views.py": "import magic\n",
        "media/.gitkeep": "",
    }
    files = read(tmp_path, more)
    assert (files.submodules, files.lfs, files.env_files, files.writable) == (
        True,
        True,
        (".env.example",),
        ("media",),
    )
    assert files.system_packages == {"magic": "libmagic1"}


def test_writable_folders_are_those_of_nuages_toml_and_those_that_a_repository_keeps(tmp_path):
    root = shop(tmp_path, {"var/.gitkeep": ""})
    assert read_files(root, topology(root, writable=("search-index/", "var"))).writable == ("search-index", "var")


@pytest.mark.parametrize("path", ["../elsewhere", "/var/lib/shop", "."])
def test_a_writable_folder_lies_in_the_project(tmp_path, path):
    root = shop(tmp_path, {})
    with pytest.raises(TopologyError, match="is not a folder of the project"):
        read_files(root, topology(root, writable=(path,)))
