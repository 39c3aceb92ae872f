"""Merging, silencing, order, report."""

import re
from pathlib import Path

import pytest

from nuages.settings.checks import CATALOG, anchor, as_json, dependencies, exit_code, render
from nuages.settings.checks.registry import REGISTRY, check, finding
from nuages.topology.model import Silence, Tls


PAGE = Path(__file__).parents[4] / "docs/reference/checks.md"
W008 = {
    "id": "security.W008",
    "level": 30,
    "msg": "Your SECURE_SSL_REDIRECT setting is not set to True.",
    "hint": "",
    "obj": "",
}


def test_what_django_says_about_tls_is_one_note_until_tls_is_declared(site):
    site.checks = (W008, {**W008, "id": "security.W012"})
    assert [f.id for f in site.findings() if f.group in ("security", "settings")] == ["settings.N003"]


def test_with_declared_tls_django_is_heard_and_the_note_is_gone(site):
    site.checks, site.topology = (W008,), {"tls": Tls(enabled=True)}
    assert site.found("security.W008")
    assert not site.found("settings.N003")


def test_an_error_of_django_is_an_error(site):
    site.checks = ({"id": "models.E015", "level": 40, "msg": "ordering refers to x", "hint": "", "obj": "shop.Book"},)
    (one,) = site.found("models.E015")
    assert (one.severity, one.where) == ("error", "shop.Book")


def test_an_error_that_only_check_deploy_reports_stops_nothing(site):
    site.checks = ({"id": "security.E023", "level": 40, "msg": "invalid values", "deploy": True},)
    (one,) = site.found("security.E023")
    assert one.severity == "warning"


def test_mail_that_is_not_sent_is_told_once_and_with_what_to_set(site):
    site.checks = ({"id": "mail.E001", "level": 40, "msg": "a development-only backend", "deploy": True},)
    assert not site.found("mail.E001")


def test_the_same_message_for_fifty_models_is_one_line(site):
    site.checks = tuple(
        {"id": "models.W042", "level": 30, "msg": "Auto-created primary key", "obj": f"shop.M{n}"} for n in range(50)
    )
    (one,) = site.found("models.W042")
    assert "49 more" in one.what


def test_an_in_memory_channel_layer_is_no_warning_where_one_process_serves(site):
    told = {"id": "state.N003", "severity": "warning", "what": "several processes", "where": "CHANNEL_LAYERS"}
    site.audit, site.interface = (told, {"id": "audit.ran"}), "asgi"
    assert [f.severity for f in site.found("state.N003")] == ["info"]
    site.topology = {"scale": {"web": 2}}
    assert [f.severity for f in site.found("state.N003")] == ["warning"]


def test_what_our_settings_answer_is_not_repeated(site):
    site.checks = ({"id": "security.W018", "level": 30, "msg": "DEBUG is True"},)
    assert not site.found("security.W018")


def test_settings_that_are_not_in_force_are_errors(site):
    site.readback = ({"setting": "DEBUG", "expected": "False", "actual": "True"},)
    (one,) = site.found("settings.N005")
    assert one.severity == "error"


def test_settings_in_force_are_no_finding(site):
    assert not site.found("settings.N005")


def test_unapplied_migrations_are_named(site):
    site.pending = ("shop.0002_price",)
    (one,) = site.found("migrations.N006")
    assert "shop.0002_price" in one.what


def test_an_applied_history_is_no_finding(site):
    assert not site.found("migrations.N006")


def test_findings_from_inside_the_project_are_merged(site):
    site.audit = ({"id": "errors.N001", "severity": "error", "what": "404"}, {"id": "audit.ran"})
    (one,) = site.found("errors.N001")
    assert one.group == "errors"


def test_an_audit_that_did_not_run_is_not_called_clean(site):
    site.audit = ()
    (one,) = site.found("settings.N002")
    assert one.severity == "unknown"


def test_a_check_that_fails_is_unknown_and_stops_nothing(site):
    def broken(context):
        raise ZeroDivisionError
        yield

    REGISTRY.append((("static.N001",), broken))
    try:
        found = site.findings()
    finally:
        REGISTRY.pop()
    assert [f.severity for f in found if f.id == "settings.N002"] == ["unknown"]
    assert any(f.id == "settings.N003" for f in found)


def test_a_silenced_finding_keeps_its_reason_and_does_not_fail(site):
    site.readback = ({"setting": "DEBUG", "expected": "False", "actual": "True"},)
    site.topology = {"silenced": (Silence("settings.N005", "a demo"),)}
    (one,) = site.found("settings.N005")
    assert one.silenced == "a demo"
    assert exit_code(site.findings()) == 0


def test_silencing_an_unknown_id_is_told_with_the_near_one(site):
    site.topology = {"silenced": (Silence("secret.N001", "typo"),)}
    (one,) = site.found("settings.N001")
    assert one.hint == "did you mean secrets.N001?"


def test_ids_of_django_and_of_packages_may_be_silenced(site):
    site.topology = {"silenced": (Silence("security.W019", "framed"), Silence("wagtailadmin.W003", "later"))}
    assert not site.found("settings.N001")


def test_the_worst_comes_first(site):
    site.readback = ({"setting": "DEBUG", "expected": "False", "actual": "True"},)
    site.python = "3.9.1"
    order = [f.severity for f in site.findings()]
    assert order == sorted(order, key=("error", "warning", "info", "unknown").index)


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [
        ("error", "error", 1),
        ("warning", "error", 0),
        ("warning", "warning", 3),
        ("unknown", "warning", 0),
        ("error", "warning", 1),
    ],
)
def test_the_exit_code_says_what_was_found(severity, fail_on, code):
    assert exit_code([finding("static.N001", severity, "x")], fail_on) == code


def test_the_report_groups_by_severity_and_counts():
    text = render(
        [
            finding("static.N001", "error", "gone", where="a.html", hint="look"),
            finding("state.N002", "info", "a file"),
        ]
    )
    assert text.splitlines() == [
        "Errors: these stop a deploy",
        "  static.N001        gone  (a.html)",
        "                     look",
        "",
        "Good to know",
        "  state.N002         a file",
        "",
        "1 error, 1 note",
    ]


def test_machines_get_every_field_and_the_page():
    (one,) = as_json([finding("static.N001", "error", "gone")])
    assert one["docs"] == "reference/checks.html#static-n001"
    assert anchor("models.W042") == ""


def test_a_check_can_only_report_ids_of_the_catalog():
    with pytest.raises(LookupError):
        check("security.N999")


def test_skipped_packages_are_unknown_and_never_clean():
    report = {
        "dependencies": [
            {"name": "a", "skip_reason": "unreachable"},
            {"name": "b", "skip_reason": "unreachable"},
        ]
    }
    (one,) = dependencies.read_report(report)
    assert (one.id, one.severity) == ("dependencies.N002", "unknown")


def test_a_known_hole_is_told_with_the_version_that_closes_it():
    hole = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"]}
    (one,) = dependencies.read_report({"dependencies": [{"name": "a", "version": "1.0", "vulns": [hole]}]})
    assert (one.id, one.hint) == ("dependencies.N001", "fixed in 2.0")


def test_packages_without_holes_are_no_finding():
    assert not list(dependencies.read_report({"dependencies": [{"name": "a", "version": "1.0", "vulns": []}]}))


def test_every_check_is_documented_and_nothing_else_is():
    documented = re.findall(r"^\(([a-z]+-n\d{3})\)=$", PAGE.read_text(), re.MULTILINE)
    assert documented == [i.lower().replace(".", "-") for i in CATALOG]


def test_every_section_says_what_why_how_to_fix_and_how_to_silence():
    sections = re.split(r"^\([a-z]+-n\d{3}\)=$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    for section in sections:
        for heading in ("**What.**", "**Why.**", "**Fix.**", "**Silence.**"):
            assert heading in section, section[:60]
