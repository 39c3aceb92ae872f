"""State, static files, lock, versions and the commit, as the files tell."""

from datetime import date


def test_a_settings_module_that_writes_a_key_is_a_warning(site):
    site.written = ("data/.secret", "logs/debug.log")
    assert [(f.severity, f.where) for f in site.found("state.N005")] == [
        ("warning", "data/.secret"),
        ("info", "logs/debug.log"),
    ]


def test_settings_that_write_nothing_are_no_finding(site):
    assert not site.found("state.N005")


def test_uploads_served_under_debug_only_are_good_to_know(site):
    site.write("shop/urls.py", "urlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)\n")
    (one,) = site.found("static.N002")
    assert one.where == "shop/urls.py:1"


def test_urls_without_uploads_are_no_finding(site):
    site.write("shop/urls.py", "urlpatterns = []\n")
    assert not site.found("static.N002")


def test_files_tracked_where_collectstatic_writes_are_counted(site):
    site.write("shop/settings.py", 'STATIC_ROOT = BASE_DIR / "static"\n')
    for name in ("a.css", "b.css", "c.css"):
        site.write(f"static/{name}", "")
    site.commit()
    (one,) = site.found("static.N003")
    assert one.what.startswith("3 files")


def test_an_untracked_static_root_is_no_finding(site):
    site.write("shop/settings.py", 'STATIC_ROOT = BASE_DIR / "staticfiles"\n')
    site.commit()
    assert not site.found("static.N003")


def test_a_project_without_a_lock_is_told_so(site):
    site.locked = "resolved"
    assert site.found("dependencies.N003")


def test_a_project_with_its_own_lock_is_no_finding(site):
    assert not site.found("dependencies.N003")


def test_a_python_past_its_end_is_a_warning(site):
    site.python = "3.9.18"
    (one,) = site.found("versions.N001")
    assert "October 2025" in one.what


def test_the_day_before_the_end_is_only_near(site):
    site.python, site.today = "3.10.13", date(2026, 10, 30)
    assert not site.found("versions.N001")
    assert site.found("versions.N003")


def test_a_supported_python_is_no_finding(site):
    assert not site.found("versions.N001")
    assert not site.found("versions.N003")


def test_a_django_past_its_end_is_a_warning(site):
    site.django = "3.2.25"
    assert site.found("versions.N002")


def test_a_django_older_than_the_table_is_past_its_end(site):
    site.django = "1.11.29"
    assert site.found("versions.N002")


def test_a_django_newer_than_the_table_is_no_finding(site):
    site.django = "7.0"
    assert not site.found("versions.N002")


def test_changes_that_are_not_committed_are_told(site):
    site.commit()
    site.write("shop/new.py", "")
    (one,) = site.found("commit.N001")
    assert "shop/new.py" in one.what


def test_a_clean_tree_is_no_finding(site):
    site.commit()
    assert not [f for f in site.findings() if f.group == "commit"]


def test_a_project_outside_git_is_told_so(site):
    assert site.found("commit.N004")


def test_commits_that_are_not_pushed_are_counted(site, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("origin")
    site.commit()
    site.git("init", "-q", "--bare", str(elsewhere))
    site.git("push", "-q", "--set-upstream", str(elsewhere), "main")
    site.git("remote", "add", "origin", str(elsewhere))
    site.git("fetch", "-q", "origin")
    site.git("branch", "-q", "--set-upstream-to", "origin/main")
    assert not site.found("commit.N002")
    site.commit()
    (one,) = site.found("commit.N002")
    assert one.what.startswith("1 commit not pushed")


def test_a_commit_that_lacks_what_is_live_is_a_warning(site):
    first = site.commit()
    site.live = site.commit()
    site.git("reset", "-q", "--hard", first)
    (one,) = site.found("commit.N003")
    assert "lacks 1" in one.what


def test_a_live_commit_that_is_not_here_is_a_warning(site):
    site.commit()
    site.live = "1" * 40
    assert site.found("commit.N003")


def test_a_descendant_of_what_is_live_is_no_finding(site):
    site.live = site.commit()
    site.commit()
    assert not site.found("commit.N003")
