"""Secrets in tracked files and in the history. Keys are put together here so that this file holds none."""

import sqlite3


REAL = "q8#v2mz!k4w9@e7r1t6y3u5i0o"
AWS = "AKIA" + "Q3EGUZTR5VWJ7KXM"
PRIVATE = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA" * 5 + "\n"


def test_a_secret_key_that_looks_real_is_a_warning(site):
    site.write("shop/settings.py", f"SECRET_KEY = '{REAL * 2}'\n")
    (one,) = site.found("secrets.N001")
    assert one.severity == "warning"
    assert REAL not in repr(one)


def test_the_key_of_startproject_is_only_good_to_know(site):
    site.write("shop/settings.py", f"SECRET_KEY = 'django-insecure-{REAL}'\n")
    (one,) = site.found("secrets.N001")
    assert one.severity == "info"


def test_a_key_that_production_settings_replace_is_only_good_to_know(site):
    site.write("shop/settings.py", "import os\nfrom .base import *\nSECRET_KEY = os.environ['SECRET_KEY']\n")
    site.write("shop/base.py", f"SECRET_KEY = '{REAL * 2}'\n")
    (one,) = site.found("secrets.N001")
    assert one.severity == "info"


def test_a_key_from_the_environment_is_no_finding(site):
    assert not site.found("secrets.N001")


def test_a_private_key_and_a_token_in_tracked_files_are_told(site):
    site.write("deploy/id_rsa", PRIVATE)
    site.write("shop/s3.py", f"KEY = '{AWS}'\n")
    assert [f.where for f in site.found("secrets.N002")] == ["deploy/id_rsa:1", "shop/s3.py:1"]


def test_documentation_tests_examples_and_bare_headers_are_no_secrets(site):
    site.write("docs/keys.py", PRIVATE)
    site.write("tests/key.pem", PRIVATE)
    site.write("shop/s3.py", "KEY = 'AKIA" + "IOSFODNN7EXAMPLE'\nHEADER = '-----BEGIN " + "PRIVATE KEY-----'\n")
    assert not site.found("secrets.N002")


def test_a_tracked_env_file_with_values_is_told_without_them(site):
    site.write(".env", f"DEBUG=0\nEMAIL_HOST_PASSWORD={REAL}\n")
    site.commit()
    (one,) = site.found("secrets.N003")
    assert "EMAIL_HOST_PASSWORD" in one.what
    assert REAL not in repr(one)


def test_env_files_with_placeholders_or_untracked_are_no_finding(site):
    site.write(".env.example", f"EMAIL_HOST_PASSWORD={REAL}\n")
    site.write(".env", "EMAIL_HOST_PASSWORD=change-me\nSECRET_KEY=\n")
    site.commit()
    site.write(".env.production", f"EMAIL_HOST_PASSWORD={REAL}\n")
    assert not site.found("secrets.N003")


def test_a_secret_that_was_taken_out_is_found_in_the_history(site):
    site.deep = True
    site.write("shop/s3.py", f"KEY = '{AWS}'\n")
    site.commit()
    site.write("shop/s3.py", "KEY = read()\n")
    site.commit()
    (one,) = site.found("secrets.N004")
    assert one.where.startswith("shop/s3.py at ")


def test_a_secret_that_is_still_there_is_told_once(site):
    site.deep = True
    site.write("shop/s3.py", f"KEY = '{AWS}'\n")
    site.commit()
    assert [f.id for f in site.findings() if f.group == "secrets"] == ["secrets.N002"]


def test_a_clean_history_is_no_finding(site):
    site.deep = True
    site.commit()
    assert not site.found("secrets.N004")
    assert not site.found("secrets.N005")


def test_a_shallow_clone_is_not_called_clean(site, tmp_path_factory):
    site.deep = True
    site.commit()
    site.commit()
    clone = tmp_path_factory.mktemp("clone") / "shop"
    site.git("clone", "-q", "--depth", "1", f"file://{site.root}", str(clone))
    site.root = clone
    (one,) = site.found("secrets.N005")
    assert one.severity == "unknown"


def accounts(path, users):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE auth_user (id INTEGER)")
        database.executemany("INSERT INTO auth_user VALUES (?)", [(n,) for n in range(users)])
    database.close()


def test_a_tracked_database_with_accounts_is_told(site):
    accounts(site.root / "db.sqlite3", 2)
    site.commit()
    (one,) = site.found("secrets.N006")
    assert "2 user accounts" in one.what


def test_an_empty_or_untracked_database_is_no_finding(site):
    accounts(site.root / "db.sqlite3", 0)
    site.commit()
    accounts(site.root / "mine.sqlite3", 3)
    assert not site.found("secrets.N006")


def test_a_database_password_in_the_settings_is_told(site):
    site.write("shop/settings.py", f'DATABASES = {{"default": {{"PASSWORD": "{REAL}"}}}}\n')
    (one,) = site.found("secrets.N007")
    assert one.where == "shop/settings.py:1"


def test_placeholders_and_variables_are_no_passwords(site):
    site.write(
        "shop/settings.py",
        'import os\nDATABASES = {"default": {"PASSWORD": "postgres"}, "b": {"PASSWORD": os.environ["P"]}}\n',
    )
    site.write("shop/settings.py", 'EMAIL_HOST_PASSWORD = "your-password-here"\n')
    assert not site.found("secrets.N007")
