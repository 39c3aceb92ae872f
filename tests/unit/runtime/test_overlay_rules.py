"""The production overlay: one case for each way in which simpler ones failed on real projects."""

from pathlib import Path, PurePosixPath

import django
import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from nuages_runtime import overlay


POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "shop",
    "USER": "shop",
    "PASSWORD": "s3cret",
    "HOST": "db-1",
    "PORT": "5432",
}
PROJECT = "/srv/shop/source"
POLICY = {
    "site": "shop", "number": 3, "build": "b1", "phase": "serve", "settings_module": "shop.settings", "project": PROJECT, "manage_dir": PROJECT,
    "domains": [], "port": 8000, "bind": "127.0.0.1", "tls": {"enabled": False}, "trusted_proxies": [], "interface": "wsgi", "static_root": "/srv/shop/static",
    "media_root": "/srv/shop/media", "data_dir": "/srv/shop/data", "overrides": {}, "leave": [], "log_format": "text", "workers": 2,
}  # fmt: skip
TLS = {"tls": {"enabled": True, "hsts_seconds": 300}, "domains": ["shop.example"]}


class Laid:
    """Settings after the overlay: laid["NAME"] is the value in force, laid.why("NAME") the reason."""

    def __init__(self, own, environ=None, version=None, **policy):
        self.own = own
        self.result = overlay.apply(dict(own), {**POLICY, **policy}, environ or {})
        assert self.result.errors == []

    def __getitem__(self, name):
        return self.result.values.get(name, self.own.get(name))

    def __contains__(self, name):
        return name in self.result.values

    def why(self, name):
        return " ".join(change["reason"] for change in self.result.changes if change["setting"] == name)

    @property
    def text(self):
        return str(self.result.changes)


@pytest.fixture
def on_django(monkeypatch):
    """Pretend to be another Django: rules look at django.VERSION only."""
    return lambda *version: monkeypatch.setattr(django, "VERSION", (*version, 0, "final", 0))


def test_settings_that_say_nothing_start_from_djangos_defaults():
    laid = Laid({})
    assert laid["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert laid["MIDDLEWARE"] == ["django.middleware.security.SecurityMiddleware"]


def test_the_overlay_laid_over_itself_changes_nothing():
    own = {
        "DEBUG": True,
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": PROJECT + "/db.sqlite3"}},
    }
    once = {**own, **Laid(own, {"NUAGES_SECRET_KEY": "k" * 50}).result.values}
    assert Laid(once, {"NUAGES_SECRET_KEY": "k" * 50}).result.values == {}


def test_debug_is_off_in_templates_too():
    laid = Laid(
        {
            "DEBUG": True,
            "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"debug": True}}],
        }
    )
    assert laid["DEBUG"] is False
    assert laid["TEMPLATES"][0]["OPTIONS"]["debug"] is False


def test_loaders_that_the_project_lists_are_cached():
    loaders = ["django.template.loaders.app_directories.Loader"]
    laid = Laid(
        {
            "TEMPLATES": [
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "OPTIONS": {"loaders": loaders},
                }
            ]
        }
    )
    assert laid["TEMPLATES"][0]["OPTIONS"]["loaders"] == [("django.template.loaders.cached.Loader", loaders)]


def test_error_pages_come_after_every_engine_of_the_project():
    laid = Laid({"TEMPLATES": ({"BACKEND": "django.template.backends.jinja2.Jinja2"},)})
    assert isinstance(laid["TEMPLATES"], tuple)
    assert (Path(laid["TEMPLATES"][-1]["DIRS"][0]) / "404.html").is_file()


def test_a_key_written_in_the_source_gives_way_to_the_generated_one():
    laid = Laid(
        {"SECRET_KEY": "django-insecure-x"},
        {"NUAGES_SECRET_KEY": "k" * 50, "NUAGES_SECRET_KEY_FALLBACKS": '["old"]'},
    )
    assert laid["SECRET_KEY"] == "k" * 50
    assert laid["SECRET_KEY_FALLBACKS"] == ["old"]
    assert "k" * 50 not in laid.text
    assert "django-insecure" not in laid.text


def test_a_key_from_the_environment_wins_over_the_generated_one(tmp_path):
    (tmp_path / "key").write_text("from-a-file\n")
    assert "SECRET_KEY" not in Laid({"SECRET_KEY": "mine"}, {"NUAGES_SECRET_KEY": "k" * 50, "APP_KEY": "mine"})
    assert "SECRET_KEY" not in Laid(
        {"SECRET_KEY": "from-a-file"}, {"NUAGES_SECRET_KEY": "k", "SECRET_KEY_FILE": str(tmp_path / "key")}
    )


def test_a_key_that_encrypts_rows_is_replaced_with_a_warning():
    laid = Laid({"SECRET_KEY": "x", "INSTALLED_APPS": ["encrypted_model_fields"]}, {"NUAGES_SECRET_KEY": "k" * 50})
    assert "CAREFUL" in laid.why("SECRET_KEY")


def test_the_hosts_that_the_project_names_stay_and_the_star_goes():
    laid = Laid({"ALLOWED_HOSTS": ("*", "shop.old")}, domains=["shop.example", "*.shop.example"])
    assert laid["ALLOWED_HOSTS"] == ("shop.old", "shop.example", ".shop.example")


def test_origins_carry_scheme_and_port():
    assert Laid({}, domains=["shop.example"], port=8000)["CSRF_TRUSTED_ORIGINS"] == [
        "https://shop.example",
        "http://shop.example",
        "http://shop.example:8000",
    ]
    assert Laid({"CSRF_TRUSTED_ORIGINS": ["https://a.example"]}, **TLS)["CSRF_TRUSTED_ORIGINS"] == [
        "https://a.example",
        "https://shop.example",
    ]


def test_without_tls_a_login_works_over_http():
    own = {"SECURE_SSL_REDIRECT": True, "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "SESSION_COOKIE_NAME": "__Secure-sessionid", "SESSION_COOKIE_DOMAIN": ".shop.example",
           "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}  # fmt: skip
    laid = Laid(own)
    assert not any(
        laid[name]
        for name in (
            "SECURE_SSL_REDIRECT",
            "SESSION_COOKIE_SECURE",
            "CSRF_COOKIE_SECURE",
            "SESSION_COOKIE_DOMAIN",
            "SECURE_PROXY_SSL_HEADER",
        )
    )
    assert laid["SESSION_COOKIE_NAME"] == "sessionid"


def test_with_tls_and_a_trusted_proxy_http_redirects():
    laid = Laid({}, trusted_proxies=["192.0.2.1"], **TLS)
    assert laid["SECURE_SSL_REDIRECT"] is True
    assert laid["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert laid["SECURE_HSTS_SECONDS"] == 300
    assert laid["SESSION_COOKIE_SECURE"] is True
    assert "SECURE_HSTS_PRELOAD" not in laid
    assert "SECURE_HSTS_INCLUDE_SUBDOMAINS" not in laid


def test_with_tls_but_no_trusted_proxy_nothing_redirects_for_ever():
    assert Laid({"SECURE_SSL_REDIRECT": True}, **TLS)["SECURE_SSL_REDIRECT"] is False


def test_tuples_stay_tuples_and_paths_stay_paths():
    laid = Laid(
        {
            "MIDDLEWARE": ("a.B",),
            "STATIC_ROOT": PurePosixPath(PROJECT + "/static"),
            "MEDIA_ROOT": PurePosixPath(PROJECT + "/media"),
        }
    )
    assert laid["MIDDLEWARE"] == ("django.middleware.security.SecurityMiddleware", "a.B")
    assert laid["STATIC_ROOT"] == PurePosixPath("/srv/shop/static")
    assert laid["MEDIA_ROOT"] == PurePosixPath("/srv/shop/media")


def test_a_database_url_replaces_only_default_and_what_duplicates_it():
    own = {
        "default": {
            **POSTGRES,
            "ENGINE": "django_prometheus.db.backends.postgresql",
            "ATOMIC_REQUESTS": True,
        },
        "replica": dict(POSTGRES),
        "queue": {**POSTGRES, "NAME": "queue"},
    }
    laid = Laid({"DATABASES": own}, {"DATABASE_URL": "postgres://u:p%40s@db-2:5433/live?sslmode=require"})
    databases = laid["DATABASES"]
    assert databases["default"]["ENGINE"] == "django_prometheus.db.backends.postgresql"
    assert databases["default"]["PASSWORD"] == "p@s"
    assert databases["default"]["ATOMIC_REQUESTS"] is True
    assert databases["default"]["OPTIONS"] == {"sslmode": "require", "connect_timeout": 5}
    assert databases["replica"]["HOST"] == "db-2"
    assert databases["queue"]["NAME"] == "queue"
    assert databases["queue"]["HOST"] == "db-1"
    assert "p@s" not in laid.text


def test_an_engine_never_changes_without_a_word():
    laid = Laid({"DATABASES": {"default": POSTGRES}}, {"DATABASE_URL": "sqlite:///db.sqlite3"})
    assert laid["DATABASES"]["default"]["NAME"] == "/srv/shop/data/db.sqlite3"
    assert "another ENGINE" in laid.why("DATABASES")


def test_a_database_that_the_project_read_from_the_same_url_keeps_its_options():
    entry = {**POSTGRES, "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True, "OPTIONS": {"connect_timeout": 3}}
    assert "DATABASES" not in Laid({"DATABASES": {"default": entry}}, {"DATABASE_URL": "postgres://shop:s3cret@db-1:5432/shop"})


def test_sqlite_files_in_the_source_move_beside_the_releases_under_their_names():
    own = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": PurePosixPath(PROJECT + "/db.sqlite3")},
           "jobs": {"ENGINE": "bugsink.timed_sqlite_backend", "NAME": "var/db.sqlite3"},
           "far": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/var/lib/far.sqlite3"},
           "memory": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}  # fmt: skip
    databases = Laid({"DATABASES": own})["DATABASES"]
    assert databases["default"]["NAME"] == PurePosixPath("/srv/shop/data/db.sqlite3")
    assert databases["jobs"]["NAME"] == "/srv/shop/data/jobs-db.sqlite3"
    assert databases["far"]["NAME"] == "/var/lib/far.sqlite3"
    assert databases["memory"] == own["memory"]
    assert databases["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_an_older_django_gets_no_option_that_it_does_not_know(on_django):
    on_django(4, 2)
    databases = Laid({"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}})["DATABASES"]
    assert databases["default"]["OPTIONS"] == {"timeout": 20}


@pytest.mark.parametrize(
    ("policy", "options", "age"),
    [({}, {}, 60), ({"interface": "asgi"}, {}, None), ({}, {"pool": True}, None)],
)
def test_connections_persist_under_wsgi_only(policy, options, age):
    laid = Laid({"DATABASES": {"default": {**POSTGRES, "OPTIONS": options}}}, **policy)
    assert laid["DATABASES"]["default"].get("CONN_MAX_AGE") == age


@pytest.mark.parametrize(("policy", "age"), [({}, 60), ({"interface": "asgi"}, None)])
def test_sqlite_files_stay_open_between_requests(policy, age):
    entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}
    assert Laid({"DATABASES": {"default": entry}}, **policy)["DATABASES"]["default"].get("CONN_MAX_AGE") == age
    own = Laid({"DATABASES": {"default": {**entry, "CONN_MAX_AGE": 0}}}, **policy)
    assert own["DATABASES"]["default"]["CONN_MAX_AGE"] == 0


def test_a_pool_takes_persistent_connections_away():
    laid = Laid({"DATABASES": {"default": {**POSTGRES, "CONN_MAX_AGE": 600, "OPTIONS": {"pool": True}}}})
    assert laid["DATABASES"]["default"]["CONN_MAX_AGE"] == 0


def test_a_local_cache_stays_and_is_told():
    laid = Laid({})
    assert "CACHES" not in laid
    assert "each process" in laid.why("CACHES")


def test_redis_without_its_package_is_told_and_not_set():
    laid = Laid({}, {"REDIS_URL": "redis://cache-1/0"})
    assert "CACHES" not in laid
    assert "redis is not among the requirements" in laid.why("CACHES")


def test_the_stock_redis_backend_becomes_one_that_may_die():
    own = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://:s3cret@cache-1",
        }
    }
    laid = Laid({"CACHES": own})
    assert laid["CACHES"]["default"]["BACKEND"] == "nuages_runtime.caches.SafeRedisCache"
    assert laid["CACHES"]["default"]["OPTIONS"]["socket_timeout"] == 0.3
    assert laid["SESSION_ENGINE"] == "django.contrib.sessions.backends.cached_db"
    assert "s3cret" not in laid.text


def test_a_redis_on_a_unix_socket_has_no_time_out_for_connecting_since_older_redis_refuses_it():
    own = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///run/shop-cache/cache.sock?db=0"}
    assert Laid({"CACHES": {"default": own}})["CACHES"]["default"]["OPTIONS"] == {"socket_timeout": 0.3}


def test_memcached_on_a_unix_socket_is_given_as_pymemcache_wants_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    laid = Laid({}, {"CACHE_URL": "memcached:///run/shop-cache/cache.sock"})
    assert laid["CACHES"]["default"]["LOCATION"] == ["unix:/run/shop-cache/cache.sock"]


def test_django_redis_forgives_a_dead_server_unless_the_project_has_decided():
    caches = {"CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://c"}}}
    assert Laid(caches)["DJANGO_REDIS_IGNORE_EXCEPTIONS"] is True
    assert Laid({**caches, "DJANGO_REDIS_IGNORE_EXCEPTIONS": False})["DJANGO_REDIS_IGNORE_EXCEPTIONS"] is False


@pytest.mark.parametrize(
    ("given", "celerys"),
    [
        ("unix:///run/shop-queue/queue.sock?db=0", "redis+socket:///run/shop-queue/queue.sock?virtual_host=0"),
        ("unix:///run/q.sock?db=3", "redis+socket:///run/q.sock?virtual_host=3"),
        ("unix:///run/q.sock", "redis+socket:///run/q.sock?virtual_host=0"),
        ("unix://:pass@/run/q.sock", "redis+socket://:pass@/run/q.sock?virtual_host=0"),
        ("redis://queue-1/0", "redis://queue-1/0"),
    ],
)
@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL"])
def test_celery_gets_its_own_name_for_a_unix_socket(name, given, celerys):
    assert Laid({name: given})[name] == celerys


def test_other_users_of_redis_keep_the_name_that_they_read():
    given = "unix:///run/shop-queue/queue.sock?db=0"
    assert Laid({"REDIS_URL": given, "HUEY": {"url": given}})["REDIS_URL"] == given


def test_another_redis_backend_is_the_projects_own():
    assert "CACHES" not in Laid(
        {"CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://c"}}},
        {"REDIS_URL": "redis://c"},
    )


def test_the_removed_static_setting_is_translated():
    laid = Laid({"STATICFILES_STORAGE": "whitenoise.storage.CompressedManifestStaticFilesStorage"})
    assert laid["STORAGES"]["staticfiles"]["BACKEND"] == "nuages_runtime.storage.HashedWhiteNoiseStorage"
    assert "does nothing since Django 5.1" in laid.why("STORAGES")


def test_storages_without_default_get_one():
    laid = Laid({"STORAGES": {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}})
    assert laid["STORAGES"]["default"]["BACKEND"] == "django.core.files.storage.FileSystemStorage"


@pytest.mark.parametrize("backend", ["storages.backends.s3.S3Storage", "shop.storage.Own"])
def test_static_files_that_go_elsewhere_are_left_alone(backend):
    storages = {"default": {"BACKEND": backend}, "staticfiles": {"BACKEND": backend}}
    assert "STORAGES" not in Laid({"STORAGES": storages})


def test_django_4_2_keeps_the_old_static_setting_where_the_project_uses_it(on_django):
    on_django(4, 2)
    laid = Laid({"STATICFILES_STORAGE": "django.contrib.staticfiles.storage.StaticFilesStorage"})
    assert laid["STATICFILES_STORAGE"] == "nuages_runtime.storage.HashedStaticStorage"
    assert "STORAGES" not in laid


def test_what_lies_under_media_root_follows_it():
    laid = Laid(
        {
            "MEDIA_ROOT": PROJECT + "/media",
            "THUMBNAIL_ROOT": PROJECT + "/media/thumbs",
            "DOCS": PROJECT + "/media-docs",
        }
    )
    assert laid["THUMBNAIL_ROOT"] == "/srv/shop/media/thumbs"
    assert "DOCS" not in laid


def test_mail_settings_of_one_kind_only(on_django):
    on_django(6, 1)
    given = {"EMAIL_HOST": "mail.example", "EMAIL_HOST_PASSWORD": "s3cret", "EMAIL_USE_TLS": "True"}
    laid = Laid({"MAILERS": {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}}, given)
    assert laid["MAILERS"]["default"] == {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "timeout": 10,
            "host": "mail.example",
            "password": "s3cret",
            "use_tls": True,
            "port": 587,
        },
    }
    assert not any(name.startswith("EMAIL") for name in laid.result.values)
    assert "s3cret" not in laid.text
    assert "MAILERS" not in Laid({"EMAIL_HOST": "old"}, given)


def test_a_development_backend_stays_until_a_mail_server_is_given():
    console = {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    assert "EMAIL_BACKEND" not in Laid(console)
    laid = Laid(console, {"EMAIL_URL": "smtp+tls://me:pa%2Fss@mail.example"})
    assert (laid["EMAIL_HOST"], laid["EMAIL_PORT"], laid["EMAIL_HOST_PASSWORD"], laid["EMAIL_TIMEOUT"]) == (
        "mail.example",
        587,
        "pa/ss",
        10,
    )
    assert "EMAIL_BACKEND" not in Laid({"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend"}, {"EMAIL_HOST": "mail.example"})


@pytest.mark.parametrize("written", ["Ann <ann@shop.example>, bob@shop.example", "Ann:ann@shop.example,bob:bob@shop.example"])
def test_admins_are_read_in_both_forms(written, on_django):
    assert [address for _, address in Laid({}, {"ADMINS": written})["ADMINS"]] == [
        "ann@shop.example",
        "bob@shop.example",
    ]
    on_django(6, 0)
    assert Laid({}, {"ADMINS": written})["ADMINS"] == ["ann@shop.example", "bob@shop.example"]


def test_logging_is_added_to_and_never_replaced():
    own = {"version": 1, "handlers": {"file": {"class": "logging.FileHandler", "filename": "x"}}, "root": {"handlers": ["file"], "level": "ERROR"},
           "loggers": {"shop": {"handlers": ["file"], "propagate": False}}}  # fmt: skip
    log = Laid({"LOGGING": own})["LOGGING"]
    assert log["root"] == {"handlers": ["file", "nuages"], "level": "ERROR"}
    assert log["loggers"]["shop"]["handlers"] == ["file", "nuages"]
    assert "disable_existing_loggers" not in log


def test_public_urls_that_are_placeholders_are_told_and_left():
    laid = Laid({"WAGTAILADMIN_BASE_URL": "http://example.com", "REDIS_HOST": "localhost"}, domains=["shop.example"])
    assert "placeholder" in laid.why("WAGTAILADMIN_BASE_URL")
    assert not {"WAGTAILADMIN_BASE_URL", "REDIS_HOST"} & set(laid.result.values)


def test_what_the_user_writes_in_nuages_toml_wins():
    laid = Laid(
        {"MEDIA_ROOT": PROJECT + "/m"},
        overrides={"ALLOWED_HOSTS": ["x"], "EMAIL_TIMEOUT": 99},
        leave=["MEDIA_ROOT"],
    )
    assert laid["ALLOWED_HOSTS"] == ["x"]
    assert laid["EMAIL_TIMEOUT"] == 99
    assert laid["MEDIA_ROOT"] == PROJECT + "/m"


def test_a_rule_that_fails_is_noted_so_that_the_release_is_refused():
    result = overlay.apply({"TEMPLATES": 3}, POLICY, {})
    assert any("templates" in error for error in result.errors)
