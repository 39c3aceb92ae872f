"""What differs becomes steps; what a person changed, what others have and what stands in the way does not."""

import hashlib
from dataclasses import replace

import pytest

from nuages.components.contract import Account, Action, Conflict, Description, Directory, File, Link, Port, Unit
from nuages.engine.readiness import Ready, compare, questions, understand
from nuages.hosts.command import run
from nuages.secret import Secret


CONF = "/etc/shop.conf"
FILE = Description("shop", "the shop's settings", files=(File(CONF, "ours\n"),))
BARE = Ready(ledger={"schema": 1}, packages={}, accounts={}, paths={}, units={}, occupied={})
HERE = {"occupied": {}, "sites": {"shop": {"ports": []}}}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def lying(text, mode=0o644, owner="root", group="root"):
    return {"type": "file", "sha256": digest(text), "mode": mode, "owner": owner, "group": group}


def written(text, whose="shop", **more):
    return {"digest": digest(text), "was": None, "for": whose, "by": "shop", "kept": "", **more}


def ready(**known):
    """A host on which the shop is already; `ledger` adds to its notes."""
    ledger = {**HERE, **known.pop("ledger", {})}
    return replace(BARE, ledger=ledger, **known)


def told(host, *descriptions, **how):
    return compare(descriptions, host, host="web-1", site="shop", **how)


def lines(comparison):
    return [str(step) for step in comparison.steps]


def test_on_a_bare_host_the_ledger_comes_first():
    assert lines(told(BARE, FILE)) == ["+ web-1  /var/lib/nuages/ledger.json", f"+ web-1  {CONF}"]


def test_what_is_as_wanted_gives_no_step():
    assert not told(ready(paths={CONF: lying("ours\n")}, ledger={"files": {CONF: written("ours\n")}}), FILE).steps


def test_a_file_of_ours_with_older_content_is_changed():
    comparison = told(ready(paths={CONF: lying("old\n")}, ledger={"files": {CONF: written("old\n")}}), FILE)
    assert [(step.symbol, step.why) for step in comparison.steps] == [("~", "content differs")]


def test_a_file_that_we_never_wrote_is_kept_and_taken_over():
    (step,) = told(ready(paths={CONF: lying("packaged\n")}), FILE).steps
    assert step.why == f"what lay there is kept in /var/lib/nuages/kept{CONF}"
    assert step.ops[0]["expect"] == digest("packaged\n")


def test_a_file_of_ours_that_a_person_changed_is_drift_and_no_step():
    comparison = told(ready(paths={CONF: lying("by hand\n")}, ledger={"files": {CONF: written("ours\n")}}), FILE)
    assert not comparison.steps
    assert comparison.drift[0].path == CONF
    assert f"file:{CONF}" in comparison.drift[0].hint


def test_drift_that_is_accepted_is_overwritten_and_kept():
    host = ready(paths={CONF: lying("by hand\n")}, ledger={"files": {CONF: written("ours\n")}})
    comparison = told(host, FILE, accept=[f"file:{CONF}"])
    assert not comparison.drift
    assert "nuages-changed-by-hand" in comparison.steps[0].why


def test_a_run_that_ended_between_ledger_and_file_is_no_drift():
    host = ready(paths={CONF: lying("old\n")}, ledger={"files": {CONF: written("ours\n", was=digest("old\n"))}})
    assert lines(told(host, FILE)) == [f"~ web-1  {CONF}"]


def test_a_file_that_somebody_removed_is_written_again_and_says_so():
    (step,) = told(ready(ledger={"files": {CONF: written("ours\n")}}), FILE).steps
    assert step.why == "somebody removed it"


def test_only_the_mode_differs_only_the_mode_is_mended():
    host = ready(paths={CONF: lying("ours\n", mode=0o666)}, ledger={"files": {CONF: written("ours\n")}})
    (step,) = told(host, FILE).steps
    assert step.ops == ({"op": "manners", "path": CONF, "mode": 0o644, "owner": "root", "group": "root"},)


def test_a_secret_is_in_no_line_of_the_plan():
    secret = Description("key", "a key", files=(File("/etc/key", Secret("hunter2"), 0o600),))
    (step,) = told(ready(), secret).steps
    assert "hunter2" not in f"{step} {step.why} {step!r}"


def test_a_key_that_is_there_is_left_alone():
    key = Description("key", "a key", files=(File("/etc/key", "new", once=True),))
    assert not told(ready(paths={"/etc/key": lying("old")}), key).steps


def test_packages_of_all_descriptions_are_one_transaction():
    host = ready(packages={"nginx": False, "valkey-server": False, "nftables": True})
    wanted = [Description(n, n, packages=(n,)) for n in ("nginx", "valkey-server", "nftables")]
    assert lines(told(host, *wanted)) == ["+ web-1  packages nginx valkey-server"]


def test_files_that_a_package_reads_while_it_comes_are_written_before_it():
    early = replace(FILE, early=True)
    postgresql = Description("postgresql", "a database", packages=("postgresql",))
    assert lines(told(ready(packages={"postgresql": False}), postgresql, early)) == [
        f"+ web-1  {CONF}",
        "+ web-1  package postgresql",
    ]


def test_what_a_coming_package_may_bring_is_reckoned_with():
    nginx = Description("nginx", "a proxy", packages=("nginx",), files=(File(CONF, "ours\n"),), absent=("/etc/default-site",))
    comparison = told(ready(packages={"nginx": False}), nginx)
    assert lines(comparison)[-1] == "- web-1  /etc/default-site"
    assert comparison.steps[1].ops[0]["fresh"]


def test_the_last_file_is_followed_by_the_check_and_a_failure_puts_all_back():
    two = replace(FILE, files=(*FILE.files, File("/etc/other", "x")), verify=run("nginx", "-t"))
    first, last = told(ready(), two).steps
    assert len(first.ops) == 1
    assert last.ops[-1]["argv"] == ["nginx", "-t"]
    assert [op["path"] for op in last.undo] == ["/etc/other", CONF]


def nginx_unit(**how):
    return replace(FILE, units=(Unit("nginx.service", on=(CONF,), reload=True, **how),))


RUNNING = {"nginx.service": {"ActiveState": "active", "UnitFileState": "enabled"}}


def test_a_unit_is_reloaded_after_its_file_changed_and_else_left_alone():
    known = {"files": {CONF: written("old\n")}}
    host = ready(paths={CONF: lying("old\n")}, units=RUNNING, ledger=known)
    assert lines(told(host, nginx_unit())) == [f"~ web-1  {CONF}", "~ web-1  nginx.service reloaded"]
    host = ready(paths={CONF: lying("ours\n")}, units=RUNNING, ledger={"files": {CONF: written("ours\n")}})
    assert not told(host, nginx_unit()).steps


def test_a_reload_that_an_ended_run_left_out_is_made_up_for():
    known = {"files": {CONF: written("ours\n")}, "pending": {"nginx.service": [CONF]}}
    host = ready(paths={CONF: lying("ours\n")}, units=RUNNING, ledger=known)
    assert lines(told(host, nginx_unit())) == ["~ web-1  nginx.service reloaded"]


def test_a_stopped_unit_is_started_and_a_failed_one_says_so():
    host = ready(units={"nginx.service": {"ActiveState": "failed", "UnitFileState": "enabled"}})
    (step,) = told(host, Description("nginx", "a proxy", units=(Unit("nginx.service"),))).steps
    assert (str(step), step.why) == ("+ web-1  nginx.service started", "it has failed")


def test_a_restart_that_interrupts_is_shown_as_a_risk():
    postgresql = replace(FILE, units=(Unit("postgresql.service", on=(CONF,), interrupts="every site's database"),))
    host = ready(units={"postgresql.service": {"ActiveState": "active", "UnitFileState": "enabled"}})
    step = told(host, postgresql).steps[-1]
    assert (step.symbol, step.why) == ("!", "interrupts every site's database")


def test_a_unit_that_is_reloaded_for_one_file_and_restarted_for_another_is_restarted_once():
    two = (Unit("db.service", on=("/etc/a",), reload=True), Unit("db.service", on=("/etc/b",)))
    description = Description("db", "a database", files=(File("/etc/a", "a"), File("/etc/b", "b")), units=two)
    host = ready(units={"db.service": {"ActiveState": "active", "UnitFileState": "enabled"}})
    assert lines(told(host, description))[2:] == ["~ web-1  db.service restarted"]


def test_a_service_of_a_package_that_was_there_before_us_is_left_alone():
    packaged = Description(
        "cache", "a cache", packages=("redis",), units=(Unit("redis.service", False, False, of_package="redis"),)
    )
    known = {"units": {"redis.service": {"ActiveState": "active", "UnitFileState": "enabled"}}, "packages": {"redis": True}}
    assert not told(ready(**known), packaged).steps
    assert lines(told(ready(**known, ledger={"packages": {"redis": {}}}), packaged)) == [
        "- web-1  redis.service disabled and stopped"
    ]


def test_a_masked_unit_is_drift():
    host = ready(units={"nginx.service": {"ActiveState": "inactive", "UnitFileState": "masked"}})
    comparison = told(host, Description("nginx", "a proxy", units=(Unit("nginx.service"),)))
    assert not comparison.steps
    assert "unmask" in comparison.drift[0].hint


def test_a_new_unit_file_is_read_before_its_unit_starts():
    description = Description(
        "shop", "the shop", files=(File("/etc/systemd/system/shop.service", "x"),), units=(Unit("shop.service"),)
    )
    assert told(ready(), description).steps[-1].ops[0]["again"]


def test_a_template_is_neither_enabled_nor_started_and_systemd_reads_it():
    template = Description("shop", "x", files=(File("/etc/systemd/system/w@.service", "x"),), units=(Unit("w@.service"),))
    assert lines(told(ready(), template))[-1] == "~ web-1  systemd reads its unit files again"


def test_an_action_is_done_once_for_its_key():
    action = Action("role shop", "role shop", "the site's own", run("createuser", "shop"), undo=run("dropuser", "shop"))
    database = Description("db", "a database", actions=(action,))
    (step,) = told(ready(), database).steps
    assert step.ops[0]["undo"]["argv"] == ["dropuser", "shop"]
    assert not told(ready(ledger={"actions": {"role shop": {"for": "shop"}}}), database).steps


def test_an_action_whose_work_was_seen_to_be_gone_is_done_again():
    action = Action("certificate", "a certificate", "for shop.example", run("issue"), missing=True)
    again = told(ready(ledger={"actions": {"certificate": {"for": "shop"}}}), Description("tls", "tls", actions=(action,)))
    assert lines(again) == ["+ web-1  a certificate"]


def test_new_folders_are_one_step_and_an_account_says_whose_it_is():
    folders = (Directory("/srv/shop"), Directory("/srv/shop/logs"), Directory("/srv/shop/run"))
    site = Description("site", "the shop", accounts=(Account("shop", "Runs the shop"),), directories=folders)
    comparison = told(ready(accounts={"shop": None}), site)
    assert lines(comparison) == ["+ web-1  account shop", "+ web-1  /srv/shop and 2 more folders"]


def test_folders_that_the_first_release_was_laid_into_are_part_of_that_step_and_fitting_ones_of_none():
    lie = {"type": "directory", "mode": 0o755, "owner": "root", "group": "root"}
    folders = (Directory("/srv/shop", 0o751), Directory("/var/lib/nuages/acme"), Directory("/srv/shop/run"))
    bare = replace(BARE, paths={"/srv/shop": lie, "/var/lib/nuages/acme": lie})
    assert lines(told(bare, Description("site", "the shop", directories=folders)))[1:] == ["+ web-1  /srv/shop and 1 more folder"]


def test_an_account_of_somebody_else_stops_the_plan():
    ada = {"home": "/home/ada", "shell": "/bin/bash", "groups": []}
    site = Description("site", "x", accounts=(Account("ada", "Runs ada", "/srv/ada/home"),))
    ((what, hint),) = told(ready(accounts={"ada": ada}), site).conflicts
    assert "somebody else's" in what
    assert "another name" in hint


def test_what_nothing_wants_any_more_goes_but_keys_stay():
    known = {"files": {"/etc/old": written("x"), "/etc/key": written("k", once=True), "/etc/theirs": written("x", "blog")}}
    known["sites"] = {"shop": {"ports": []}, "blog": {}}
    host = ready(paths={"/etc/old": lying("x")}, ledger=known)
    assert lines(told(host)) == ["- web-1  /etc/old"]


GUARDED = replace(FILE, name="ssh", guard=True)


def test_a_unit_that_stays_takes_note_of_a_file_that_goes_and_one_that_goes_is_not_asked_to():
    """A reload of what was just stopped, and has lost its file, would fail the deploy."""
    queue = "/etc/systemd/system/shop-queue.service"
    files = {queue: written("unit"), CONF: written("ours\n"), "/etc/more.conf": written("more")}
    units = {"shop-queue.service": {"for": "shop", "on": [queue, CONF]}, "web.service": {"for": "shop", "on": ["/etc/more.conf"]}}
    web = Description("web", "web", units=(Unit("web.service", running=None, enabled=True),))
    comparison = told(ready(ledger={"files": files, "units": units}, units={"web.service": {"UnitFileState": "enabled"}}), web)
    reloaded = [op["names"] for step in comparison.steps for op in step.ops if op["op"] == "reload_units"]
    assert reloaded == [["web.service"]]


def test_a_change_that_may_lock_us_out_is_armed_and_waits_for_a_fresh_login():
    arm, change, gate = told(ready(), GUARDED).steps
    assert arm.ops[0]["op"] == "arm"
    assert arm.ops[0]["paths"] == [CONF]
    assert change.ops[0]["op"] == "install"
    assert [op["op"] for op in gate.ops] == ["confirm", "disarm"]


def test_two_guarded_descriptions_need_one_login():
    other = Description("firewall", "x", files=(File("/etc/fw", "x"),), guard=True)
    ops = [step.ops[0]["op"] for step in told(ready(), other, Description("x", "x"), GUARDED).steps]
    assert ops == ["arm", "install", "install", "confirm"]


def test_a_guard_left_by_a_run_that_ended_is_confirmed_or_takes_itself_back():
    host = ready(paths={CONF: lying("ours\n")}, ledger={"files": {CONF: written("ours\n")}}, guards=["login-shop"])
    assert [step.ops[0]["op"] for step in told(host, GUARDED).steps] == ["arm", "confirm"]


OTHERS = {"listeners": [{"port": 80, "program": "apache2", "protocol": "tcp"}], "sites": [], "rules": [], "databases": []}


def occupied(**known):
    return replace(ready(**known), occupied=OTHERS)


@pytest.mark.parametrize("name", ["ssh", "firewall", "updates", "sysctl", "accounts"])
def test_on_a_server_of_others_a_host_wide_change_waits_for_consent(name):
    wide = Description(name, "for all", scope="host", packages=("some",), files=(File("/etc/new", "x"),))
    comparison = told(occupied(packages={"some": False}), wide)
    assert not comparison.steps
    assert comparison.consent[0].id == name
    assert comparison.consent[0].changes == ("/etc/new",)
    assert len(told(occupied(packages={"some": False}), wide, accept=[name]).steps) == 2


def test_what_was_accepted_once_is_not_asked_again_nor_taken_away():
    wide = Description("ssh", "for all", scope="host", files=(File("/etc/new", "x"),))
    known = {"files": {"/etc/new": {**written("old", "*"), "by": "ssh"}}}
    assert lines(told(occupied(paths={"/etc/new": lying("old")}, ledger=known), wide)) == ["~ web-1  /etc/new"]


def test_a_site_s_own_things_need_no_consent_there():
    assert lines(told(occupied(), FILE)) == [f"+ web-1  {CONF}"]


def test_of_a_shared_component_only_what_alters_their_things_waits():
    nginx = Description("nginx", "x", scope="host", files=(File("/etc/new", "x"),), absent=("/etc/nginx/sites-enabled/default",))
    comparison = told(occupied(paths={"/etc/nginx/sites-enabled/default": lying("theirs")}), nginx)
    assert lines(comparison) == ["+ web-1  /etc/new"]
    assert comparison.consent[0].changes == ("/etc/nginx/sites-enabled/default",)


def test_what_a_package_of_ours_brought_before_a_run_was_cut_off_is_nobody_else_s():
    default = "/etc/nginx/sites-enabled/default"
    nginx = Description("nginx", "x", scope="host", packages=("nginx",), files=(File("/etc/new", "x"),), absent=(default,))
    cut_off = occupied(packages={"nginx": True}, paths={default: lying("x")}, ledger={"packages": {"nginx": {}}})
    assert lines(told(cut_off, nginx)) == ["+ web-1  /etc/new", f"- web-1  {default}"]


def test_what_a_package_brings_and_must_not_be_goes_with_its_coming():
    """nginx would take port 80 from a neighbour when the host starts anew before the next step."""
    default = "/etc/nginx/sites-enabled/default"
    nginx = Description("nginx", "x", scope="host", packages=("nginx",), absent=(default,))
    first = next(step for step in told(occupied(packages={"nginx": False}), nginx).steps if step.ops[0]["op"] == "packages")
    assert [(op["op"], op.get("path")) for op in first.ops] == [("packages", None), ("set_aside", default)]
    theirs = told(occupied(packages={"nginx": False}, paths={default: lying("theirs")}), nginx)
    assert all(op["op"] != "set_aside" for step in theirs.steps for op in step.ops)


def test_of_a_program_that_was_here_before_us_every_change_waits_and_the_site_s_own_does_not():
    shared = Description("postgresql", "tuned", scope="host", packages=("postgresql-17",), files=(File("/etc/pg.conf", "x"),))
    early = Description("postgresql-cluster", "x", scope="host", early=True, files=(File("/etc/cluster.conf", "x"),))
    own = Description("postgresql-site", "x", actions=(Action("db", "database shop", "x", run("createdb", "shop")),))
    host = occupied(packages={"postgresql-17": True})
    assert lines(told(host, shared, early, own)) == ["+ web-1  database shop"]
    assert len(told(host, shared, early, own, accept=["postgresql"]).steps) == 3
    came_with_us = occupied(packages={"postgresql-17": True}, ledger={"packages": {"postgresql-17": {}}})
    assert len(told(came_with_us, shared, early, own).steps) == 3


def test_a_port_that_another_program_has_stops_the_plan():
    nginx = Description("nginx", "x", packages=("nginx-light",), ports=(Port(80),))
    known = {"packages": {"nginx-light": True}, "listeners": OTHERS["listeners"]}
    ((what, _hint),) = told(replace(ready(**known), ledger=HERE), nginx).conflicts
    assert what == "port 80 on web-1 is taken by apache2"
    ours = [{**OTHERS["listeners"][0], "program": "nginx"}]
    assert not told(replace(ready(**known), listeners=ours), nginx).conflicts


def test_a_conflict_that_is_found_stops_the_plan():
    conflict = Conflict("the database shop is somebody else's", "name the site otherwise", run("psql", "-c", "x"))
    database = Description("db", "x", conflicts=(conflict,))
    asked = questions([database], "shop")
    (key,) = [key for key in asked if key.startswith("conflict")]
    answers = {"ready": {**vars(BARE), "asked": None}, key: {"status": 0}}
    answers["ready"].pop("asked")
    assert told(understand(answers), database).conflicts == (("the database shop is somebody else's", "name the site otherwise"),)


def test_a_change_that_took_itself_back_is_told():
    assert "took itself back" in told(ready(ledger={"reverted": ["login"]})).notes[0]


def test_a_link_of_ours_that_points_elsewhere_is_drift():
    link = Description("l", "x", links=(Link("/etc/l", "/ours"),))
    host = ready(
        paths={"/etc/l": {"type": "link", "target": "/theirs"}}, ledger={"links": {"/etc/l": {"target": "/ours", "for": "shop"}}}
    )
    assert told(host, link).drift[0].path == "/etc/l"


def test_a_file_of_another_site_stops_the_plan():
    other = ready(paths={CONF: lying("theirs\n")}, ledger={"files": {CONF: written("theirs\n", whose="shop-api")}})
    comparison = told(other, FILE)
    assert [what for what, _hint in comparison.conflicts] == [f"{CONF} is of the site shop-api on this host"]
    assert not comparison.steps
