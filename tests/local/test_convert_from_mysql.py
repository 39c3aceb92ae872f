"""A live site moves from MySQL to PostgreSQL: each value as it was, late writers fail, and a failure leaves it on MySQL."""

from __future__ import annotations

import subprocess
import time

import pytest
import wide
from live_site import FULL, SETTINGS, a_site
from mariadb import mariadb
from postgres import postgresql


pytestmark = [pytest.mark.local, pytest.mark.skipif(not FULL, reason="two servers and four deploys: NUAGES_FULL=1")]
# More than wide's own: characters of four bytes, text beyond 64 KB, decimals with all their places, an hour that came twice.
MORE = """
import datetime as dt, decimal
thing = Thing.objects.order_by("id").first()
thing.text, thing.price = "\\U0001f680 é " * 20000 + "\\t\\\\N\\r\\n end ", decimal.Decimal("-123456789.125")
thing.at = dt.datetime(2026, 10, 25, 0, 30, 0, 123456, tzinfo=UTC)
thing.data, thing.blob = {"\\U0001f600": [1, 2.5, None, True, "\\u00fc\\\\\\""]}, bytes(range(256)) * 400
thing.save()
thing.friends.add(thing)
"""
TOLD = (
    "import hashlib; from wide.models import *; from django.contrib.auth.models import User; "
    "told = [list(Thing.objects.order_by('id').values_list()), list(Thing.friends.through.objects.order_by('id').values_list()), "
    "list(Special.objects.values_list()), list(User.objects.values_list()), User.objects.get().has_usable_password()]; "
    "print(len(told[0]), hashlib.sha256(repr(told).encode()).hexdigest())"
)
MIGRATIONS = """
from django.conf import settings
apps = ["django.contrib.auth", "django.contrib.contenttypes", "wide"]
settings.configure(INSTALLED_APPS=apps, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
import django
django.setup()
django.core.management.call_command("makemigrations", "wide")
"""
WRITES = "from wide.models import Counter; print(Counter.objects.create(n=1).pk)"


class Shop:
    """The site on MariaDB, and both servers."""

    def __init__(self, site, mysql, postgres):
        self.site, self.mysql, self.postgres = site, mysql, postgres

    def says(self, code):
        return self.site.nuages("manage", "shell", "-v", "0", "-c", code).stdout.strip()

    def convert(self, name, user="postgres"):
        return "db", "convert", "--to", f"postgres://{user}@127.0.0.1:{self.postgres.port}/{name}", "--yes"

    def triggers(self):
        return int(self.mysql.sql("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with mariadb() as mysql, postgresql() as postgres, a_site(tmp_path_factory.mktemp("mysql")) as site:
        site.write(
            **{
                "requirements.txt": "django>=5.2,<5.3\npymysql>=1.1\n",
                "shop/__init__.py": "import pymysql\npymysql.install_as_MySQLdb()\n",
                "shop/settings.py": SETTINGS.replace('"books",', '"books", "wide",').replace(
                    "USE_TZ = True", 'USE_TZ = True\nTIME_ZONE = "Europe/Berlin"'
                ),
                "wide/migrations/__init__.py": "",
            }
        )
        wide.write(site.root)
        python = postgres.python
        done = subprocess.run([python, "-c", MIGRATIONS], cwd=site.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        site.nuages("config", "set", "DATABASE_URL=" + mysql.database("shop"))
        site.up()
        shop = Shop(site, mysql, postgres)
        shop.says(wide.fill(500) + MORE)
        yield shop


def test_without_the_right_to_make_triggers_nothing_begins(shop):
    shop.mysql.sql(
        "REVOKE ALL ON shop.* FROM shop@'127.0.0.1'; GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO shop@'127.0.0.1'"
    )
    told = shop.site.refused(*shop.convert("nowhere"))
    shop.mysql.sql("GRANT ALL ON shop.* TO shop@'127.0.0.1'")
    assert "GRANT TRIGGER ON `shop`.* TO 'shop'@'127.0.0.1'" in told
    assert "nothing was changed" in told


def test_what_postgresql_would_refuse_is_counted_before_anything(shop):
    shop.mysql.sql(
        "CREATE TABLE aside AS SELECT * FROM wide_thing; SET sql_mode = ''; UPDATE wide_thing SET small = 40000 LIMIT 2; "
        "UPDATE wide_thing SET day = '0000-00-00' LIMIT 3; UPDATE wide_thing SET sealed = CONCAT('a', CHAR(0)) LIMIT 1",
        "shop",
    )
    told = shop.site.refused(*shop.convert("nowhere"))
    shop.mysql.sql(
        "UPDATE wide_thing t JOIN aside a USING (id) SET t.small = a.small, t.day = a.day, t.sealed = a.sealed; DROP TABLE aside",
        "shop",
    )
    assert "wide.Thing.small: 2 values out of its range" in told
    assert "wide.Thing.day: 3 values that are no dates" in told
    assert "wide.Thing.sealed: 1 values with a NUL byte" in told


def test_a_conversion_that_fails_half_way_leaves_the_site_on_mysql(shop):
    views = shop.site.root / "books/views.py"
    kept = views.read_text()
    spoilt = "def home(request):\n    from django.db import connection\n    assert connection.vendor == 'mysql', 'not there'\n"
    views.write_text(kept.replace("def home(request):\n", spoilt))
    shop.postgres.sql("postgres", "CREATE DATABASE spoilt")
    told = shop.site.refused(*shop.convert("spoilt"))
    views.write_text(kept)
    assert shop.postgres.sql("spoilt", "SELECT count(*) FROM wide_thing") == "500"  # the rows were there, behind the fence
    assert "v1 still serves" in told
    assert shop.triggers() == 0
    assert shop.says(WRITES) == "11"
    time.sleep(1.1)  # each worker looks for the maintenance page once a second
    assert shop.site.answer("/")[0] == 200


def test_a_live_site_moves_with_every_value_and_late_writers_fail(shop):
    before = shop.says(TOLD)
    assert before.startswith("500 ")
    shop.postgres.sql("postgres", "CREATE DATABASE moved")
    told = shop.site.nuages(*shop.convert("moved")).stdout
    assert "each value compared" in told
    assert shop.says("from django.db import connection; print(connection.vendor)") == "postgresql"
    assert shop.says(TOLD) == before
    assert shop.says(WRITES) == "12"  # also where the last rows are gone, no number is given out twice
    time.sleep(1.1)
    assert shop.site.answer("/")[0] == 200
    for late in ("INSERT INTO wide_counter (n) VALUES (1)", "UPDATE wide_counter SET n = 5", "DELETE FROM wide_counter"):
        with pytest.raises(AssertionError, match="this database has been moved"):
            shop.mysql.sql(late, "shop")
    assert "PostgreSQL already" in shop.site.refused(*shop.convert("moved"))
