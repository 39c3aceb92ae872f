"""Certificates: what follows of what was seen on the host, and what is put there for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nuages.components.certificates.deciding import DAY, FIVE_MINUTES, dns_points_here, hsts_allowed
from nuages.components.certificates.own import Given, check, read_given
from nuages.components.certificates.seen import Pair, Seen, understand
from nuages.components.web import decide, describe_web, notes, tls_policy, web_question
from nuages.errors import TopologyError
from nuages.secret import Secret
from nuages.testing import LAYOUT, shop_placement
from nuages.topology.model import Host, Services, Tls


NOW = 1_800_000_000.0
WEB_1 = Host("web-1", "203.0.113.11")  # a documentation address, which Python calls private; 8.8.4.4 below is a public one
NAMES = ("shop.example", "www.shop.example")
PAIR = Pair(names=NAMES, issuer="An Authority", not_after=NOW + 60 * DAY, problem="")
HERE_DNS = dict.fromkeys(NAMES, ("203.0.113.11",))
BARE = Seen(now=NOW, addresses=("203.0.113.11",), answers=HERE_DNS)
YEAR = 31_536_000


def placed(**values):
    return shop_placement(host=WEB_1, **{"domains": NAMES, "hosts": (WEB_1,), **values})


def decided(seen, **values):
    return decide(placed(**values).topology, WEB_1, seen)


def names_in_order(seen, **values):
    placement = placed(**values)
    return [d.name for d in describe_web(placement, decide(placement.topology, WEB_1, seen))]


def test_without_a_certificate_the_authority_is_asked_and_the_site_served_over_http_meanwhile():
    decision = decided(BARE)

    assert (decision.ask, decision.certificate.ready, decision.names) == (True, False, NAMES)
    assert names_in_order(BARE) == ["nginx", "nginx-shared", "certificate", "nginx-site"]
    site = describe_web(placed(), decision)[-1]
    assert "ssl" not in site.files[-1].content.replace("ssl_", "")


def test_with_a_certificate_nothing_is_asked_and_the_site_speaks_https():
    decision = decided(replace(BARE, wanted=PAIR, answers={}))

    assert (decision.ask, decision.certificate.ready, decision.notes) == (False, True, ())
    descriptions = describe_web(placed(), decision)
    assert descriptions[2].actions == ()
    assert "ssl_certificate /etc/nuages/certs/shop/fullchain.pem;" in descriptions[-1].files[-1].content


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((), "shop.example has no address in the DNS yet"),
        (("203.0.113.12",), "the DNS of shop.example points to 203.0.113.12, not to this host (203.0.113.11)"),
        (("203.0.113.11", "2001:db8::9"), "the DNS of shop.example points to 2001:db8::9, not to this host (203.0.113.11)"),
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_not_asked_for(answers, reason):
    decision = decided(replace(BARE, answers={"shop.example": answers}), domains=("shop.example",))

    assert (decision.ask, decision.certificate.ready) == (False, False)
    assert reason in decision.certificate.note
    assert names_in_order(replace(BARE, answers={"shop.example": answers}), domains=("shop.example",)) == [
        "nginx", "nginx-shared", "nginx-site",
    ]  # fmt: skip


def test_names_that_lead_here_are_asked_for_without_the_others():
    decision = decided(replace(BARE, answers={**HERE_DNS, "www.shop.example": ()}))

    assert (decision.ask, decision.names) == (True, ("shop.example",))
    assert "www.shop.example has no address" in " ".join(decision.notes)


def test_behind_a_network_that_translates_addresses_it_is_tried():
    assert dns_points_here("shop.example", ("8.8.4.4",), ("10.0.0.5",)) == ""
    assert dns_points_here("shop.example", ("10.0.0.6",), ("10.0.0.5",)) != ""
    assert dns_points_here("shop.example", ("8.8.4.4",), ("8.8.8.8", "10.0.0.5")) != ""


def test_a_resolver_that_does_not_answer_says_nothing():
    assert dns_points_here("shop.example", None, ("203.0.113.11",)) == ""


def test_a_declared_proxy_in_front_passes_the_question_on():
    assert dns_points_here("shop.example", ("198.51.100.7",), ("203.0.113.11",), ("198.51.100.0/24", "unix")) == ""


def test_an_authority_that_said_no_is_spared_for_a_while():
    seen = replace(BARE, failures=2, again=NOW + 60, error="too many requests")

    assert decided(seen).ask is False
    assert "said no twice: too many requests" in decided(seen).certificate.note
    assert decided(replace(seen, again=NOW - 1)).ask is True


def test_each_new_attempt_is_another_action_and_the_same_one_is_not():
    def key(seen):
        return describe_web(placed(), decided(seen))[2].actions[0].key

    assert key(BARE) == key(BARE)
    assert key(BARE) != key(replace(BARE, failures=1))


def test_a_new_domain_is_asked_for_while_the_old_certificate_serves():
    seen = replace(BARE, wanted=replace(PAIR, names=("shop.example",)), answers={"www.shop.example": ("203.0.113.11",)})

    decision = decided(seen)

    assert (decision.ask, decision.certificate.ready, decision.names) == (True, True, NAMES)


def test_a_site_that_was_on_https_stays_there_with_an_ended_certificate_or_one_of_another_kind():
    ended = replace(BARE, wanted=replace(PAIR, not_after=NOW - 1), answers={})
    assert decided(ended).certificate.ready
    assert decided(ended).ask
    assert "browsers warn" in " ".join(decided(ended).notes)

    other = replace(BARE, served=PAIR, linked="local-ca/fullchain.pem", answers=dict.fromkeys(NAMES, ()))
    assert decided(other).certificate.ready
    links = describe_web(placed(), decided(other))[2].links
    assert [link.target for link in links] == ["local-ca/fullchain.pem", "local-ca/privkey.pem"]


def test_a_certificate_that_nobody_renewed_is_told_of_in_time():
    seen = replace(BARE, wanted=replace(PAIR, not_after=NOW + 3 * DAY), renewal_error="the CA is gone")

    assert "ends 2027-01-18" in decided(seen).notes[0]
    assert "the CA is gone" in decided(seen).notes[0]


def test_wildcards_and_other_ports_are_beyond_a_public_authority():
    assert "wildcards by DNS only" in decided(BARE, domains=("*.shop.example",)).certificate.note
    assert "port 8443" in decided(BARE, port=8443).certificate.note


def test_without_a_domain_or_with_none_wished_there_is_no_certificate():
    for values in ({"domains": ()}, {"tls": Tls(certificate="none")}):
        assert decided(BARE, **values).certificate.ready is False
        assert names_in_order(BARE, **values) == ["nginx", "nginx-shared", "nginx-site"]


def test_our_own_authority_certifies_addresses_too():
    assert decided(BARE, domains=(), tls=Tls(certificate="local-ca")).names == ("203.0.113.11", "web-1")


def test_a_proxy_of_the_users_own_is_left_alone():
    assert describe_web(placed(services=Services(proxy="none")), decided(BARE)) == ()


def test_what_lies_on_the_host_is_readable_and_says_who_wrote_it():
    certificate = describe_web(placed(), decided(BARE))[2]
    for file in certificate.files:
        assert file.path.endswith((".json", ".py")) or file.content.startswith("# Written by Nuages for the site shop.")
    config = json.loads(next(file.content for file in certificate.files if file.path.endswith(".json")))
    assert config["names"] == list(NAMES)


@pytest.mark.parametrize("kind", ["acme", "local-ca"])
def test_what_lies_on_the_host_is_the_golden_one(kind, golden):
    certificate = describe_web(
        placed(tls=Tls(certificate=kind, email="ada@shop.example")), decided(BARE, tls=Tls(certificate=kind))
    )[2]
    for file in certificate.files:
        if not file.path.endswith(".py"):
            golden(f"certificates-{kind}{file.path}", file.content)


# --- HSTS ----------------------------------------------------------------------------------------------------

PROVED = replace(BARE, wanted=PAIR, answers={}, proved=NOW)


@pytest.mark.parametrize(
    ("asked", "before", "seen", "allowed"),
    [
        (0, 0, PROVED, 0),
        (FIVE_MINUTES, 0, PROVED, FIVE_MINUTES),
        (YEAR, 0, PROVED, FIVE_MINUTES),
        (YEAR, FIVE_MINUTES, PROVED, FIVE_MINUTES),
        (DAY, FIVE_MINUTES, PROVED, DAY),
        (YEAR, DAY, PROVED, YEAR),
        (YEAR, DAY, replace(PROVED, proved=0), DAY),
        (YEAR, YEAR, replace(PROVED, proved=0), YEAR),
        (60, YEAR, PROVED, 60),
        (DAY, 0, BARE, 0),
    ],
)
def test_hsts_grows_in_stages_and_beyond_a_day_only_once_a_renewal_was_proved(asked, before, seen, allowed):
    topology = placed(tls=Tls(hsts_seconds=asked)).topology

    seconds, why = hsts_allowed(topology, decide(topology, WEB_1, seen), before)

    assert seconds == allowed
    assert bool(why) == (seconds < asked)


def test_hsts_does_not_grow_by_deploying_once_more():
    topology = placed(tls=Tls(hsts_seconds=YEAR)).topology
    decision = decide(topology, WEB_1, PROVED)
    first = hsts_allowed(topology, decision, 0)[0]

    assert hsts_allowed(topology, decision, first)[0] == first


def test_hsts_is_never_sent_with_an_authority_of_our_own():
    topology = placed(tls=Tls(hsts_seconds=YEAR, certificate="local-ca")).topology

    assert hsts_allowed(topology, decide(topology, WEB_1, PROVED), YEAR)[0] == 0


def test_the_policy_speaks_of_tls_only_where_it_is_spoken():
    topology = placed().topology

    assert tls_policy(topology, decide(topology, WEB_1, BARE))["enabled"] is False
    assert tls_policy(topology, decide(topology, WEB_1, PROVED))["enabled"] is True
    in_front = placed(tls=Tls(certificate="none", enabled=True, hsts_seconds=YEAR)).topology
    policy = tls_policy(in_front, decide(in_front, WEB_1, BARE))
    assert (policy["enabled"], policy["hsts_seconds"]) == (True, YEAR)


def test_the_plan_says_why_a_site_is_on_http_and_hsts_held_back():
    topology = placed(tls=Tls(hsts_seconds=YEAR)).topology

    assert notes(topology, decide(topology, WEB_1, BARE))[0] == "served over http for now: the certificate is being asked for"
    assert "the next step is hsts_seconds = 86400" in notes(topology, decide(topology, WEB_1, PROVED), FIVE_MINUTES)[-1]


# --- one's own -----------------------------------------------------------------------------------------------

OWN = {
    "names": ["shop.example"],
    "not_before": NOW - DAY,
    "not_after": NOW + 90 * DAY,
    "problem": "",
    "chain_length": 2,
    "now": NOW,
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"problem": "the key is not the one of the certificate"}, "the key is not the one of the certificate"),
        ({"names": ["blog.example"]}, "is not for shop.example"),
        ({"not_after": NOW - 3 * DAY}, "ended 3 days ago"),
        ({"not_before": NOW + DAY}, "is not valid yet"),
    ],
)
def test_a_certificate_that_browsers_would_refuse_does_not_travel(changed, said):
    with pytest.raises(TopologyError, match=said):
        check({**OWN, **changed}, ("shop.example",))


def test_a_missing_intermediate_and_a_near_end_are_told():
    assert check(OWN, ("shop.example",)) == ()
    assert "intermediate" in check({**OWN, "chain_length": 1}, ("shop.example",))[0]
    assert "ends in 10 days" in check({**OWN, "not_after": NOW + 10 * DAY}, ("shop.example",))[0]


def test_the_key_of_ones_own_certificate_is_a_secret_for_root_alone(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text(f"{name}\n")
    tls = Tls(certificate="own", cert_file="cert.pem", key_file="key.pem")
    given = read_given(tls, tmp_path)
    placement = placed(tls=tls)

    certificate = describe_web(placement, decide(placement.topology, WEB_1, BARE), given)[2]

    key = next(file for file in certificate.files if file.path.endswith("privkey.pem"))
    assert (key.mode, key.owner, isinstance(key.content, Secret)) == (0o600, "root", True)
    assert "key.pem" not in repr(given)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TopologyError, match=r"none\.pem can't be read"):
        read_given(Tls(certificate="own", cert_file="none.pem", key_file="none.pem"), tmp_path)
    assert read_given(Tls(), tmp_path) == Given()


# --- the question --------------------------------------------------------------------------------------------


def test_what_the_agent_answers_is_understood():
    question = web_question(placed().topology, LAYOUT, WEB_1)
    assert (question["kind"], question["names"]) == ("certificates", list(NAMES))

    seen = understand({
        "now": NOW, "wanted": {"names": ["a"], "problem": "", "subject": "not of interest"}, "served": {"problem": "there is none"},
        "linked": "", "attempts": {"failures": 1}, "addresses": ["203.0.113.11"], "answers": {"a": []},
    })  # fmt: skip
    assert (seen.wanted.usable, seen.served.usable, seen.failures, seen.answers) == (True, False, 1, {"a": ()})
