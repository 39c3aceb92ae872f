"""A site leaves: its things go, what lay there before comes back, data stays unless it is asked for."""

from pathlib import Path

from nuages.engine.leaving import leave
from nuages.engine.readiness import Ready
from nuages.release.layout import Layout


UNIT = "/etc/systemd/system/shop-web@.service"


def ready(*sites):
    ledger = {
        "sites": {name: {} for name in sites},
        "files": {
            "/etc/nginx/shop.conf": {"digest": "a", "was": None, "for": "shop", "kept": ""},
            UNIT: {"digest": "b", "was": None, "for": "shop", "kept": ""},
            "/etc/ssh/10-nuages.conf": {"digest": "c", "was": None, "for": "*", "kept": ""},
        },
        "absent": {"/etc/nginx/default": {"kept": "/var/lib/nuages/kept/etc/nginx/default", "for": "*"}},
        "units": {"nginx.service": {"for": "*", "on": ["/etc/nginx/shop.conf"], "before": "inactive", "boot": "enable"}},
        "packages": {"nginx": {}, "postgresql-17": {}, "libpq5": {}},
        "accounts": {"shop": {"for": "shop"}, "deploy": {"for": "*"}},
        "came": {"users": ["postgres"], "groups": ["postgres"]},
        "actions": {"db": {"what": "database shop", "for": "shop", "erases": True, "undo": {"argv": ["dropdb"]}, "at": "1"}},
    }
    paths = {"/etc/nginx/shop.conf": {"type": "file", "sha256": "by hand"}}
    return Ready(ledger=ledger, packages={}, accounts={}, paths=paths, units={}, occupied={})


def left(*sites, data=False, **how):
    return leave(ready(*sites), host="web-1", site="shop", layout=Layout(Path("/srv/shop")), data=data, **how)


def lines(leaving):
    return [str(step) for step in leaving.steps]


def test_beside_another_site_only_this_one_s_things_go_and_shared_services_are_reloaded():
    assert lines(left("shop", "blog", data=True)) == [
        "- web-1  stop shop-web@.service",
        "- web-1  take back: database shop",
        "- web-1  /etc/nginx/shop.conf",
        f"- web-1  {UNIT}",
        "~ web-1  systemd reads its unit files again; nginx.service reloaded",
        "- web-1  account shop",
        "- web-1  /srv/shop",
        "- web-1  its notes in /var/lib/nuages/ledger.json",
    ]


def test_what_another_site_did_too_is_not_taken_back():
    host = ready("shop", "blog")
    rule = {"what": "ufw allows 80/tcp", "erases": False, "undo": {"argv": ["ufw", "delete"]}, "at": "2"}
    host.ledger["actions"] |= {"ufw shop": {**rule, "for": "shop"}, "ufw blog": {**rule, "for": "blog"}}
    leaving = leave(host, host="web-1", site="shop", layout=Layout(Path("/srv/shop")))
    assert not [line for line in lines(leaving) if "ufw" in line]


def test_the_last_site_takes_everything_of_ours_along():
    found = lines(left("shop", data=True))
    assert "- web-1  purge 3 packages that came with Nuages" in found
    assert "- web-1  account deploy" in found
    assert "~ web-1  /etc/nginx/default" in found
    assert found[-1] == "- web-1  /var/lib/nuages"


def test_data_stays_with_the_packages_and_the_account_that_it_belongs_to():
    leaving = left("shop")
    found = lines(leaving)
    assert not [line for line in found if "database shop" in line or "account shop" in line]
    (purge,) = [step for step in leaving.steps if "purge" in step.what]
    assert purge.ops[0]["keep"] == ["postgresql-17"]
    assert "shared" in leaving.kept[0]
    assert "/srv/shop" in leaving.kept[0]
    assert leaving.kept[1] == "what was made by: database shop"


def test_a_file_that_a_person_changed_says_where_its_copy_stays():
    (step,) = [step for step in left("shop").steps if step.what == "/etc/nginx/shop.conf"]
    assert "/root/nuages-changed-by-hand/etc/nginx/shop.conf" in step.why


def test_nobody_is_removed_from_under_his_own_feet():
    assert "- web-1  account deploy" not in lines(left("shop", login="deploy"))


def test_the_account_of_deploy_keys_goes_though_data_stays_and_peoples_keys_are_taken_back():
    host = ready("shop", "blog")
    host.ledger["accounts"]["shop_deploy"] = {"for": "shop"}
    taken = {"what": "ada may log in as deploy", "erases": False, "undo": {"argv": ["/bin/sh"]}, "at": "2", "for": "shop"}
    host.ledger["actions"]["team key shop SHA256:x"] = taken
    told = lines(leave(host, host="web-1", site="shop", layout=Layout(Path("/srv/shop"))))
    assert "- web-1  account shop_deploy" in told
    assert "- web-1  account shop" not in told
    assert "- web-1  take back: ada may log in as deploy" in told
