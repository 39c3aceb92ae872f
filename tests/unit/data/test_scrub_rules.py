"""Which columns a scrub changes, which tables leave empty, and what it says of the rest. Pure."""

from __future__ import annotations

import pytest
from told_tables import table, told

from nuages.data.scrub import intend, summary, warnings
from nuages.data.scrub_rules import Reference, make_scrub
from nuages.errors import UsageError
from nuages.topology.scrub import Scrub, scrub_of


USER = table(
    "auth.User",
    username="CharField unique 150",
    password="CharField 128",
    email="EmailField 254",
    first_name="CharField 150",
    last_login="DateTimeField null",
)
CUSTOMER = table("shop.Customer", email="EmailField unique 254", phone="CharField 40", plan="CharField 10")


def rules(*tables, **declared):
    plan = make_scrub(told(*tables), scrub_of({name.replace("__", "."): rule for name, rule in declared.items()}))
    return plan, {f"{c.table}.{c.name}": str(c.rule) for c in plan.columns}


def test_people_who_log_in_are_scrubbed_without_a_word():
    _plan, found = rules(USER)
    assert found == {
        "auth_user.username": "username",
        "auth_user.password": "password",
        "auth_user.email": "email",
        "auth_user.first_name": "first-name",
    }


def test_a_user_model_of_the_projects_own_is_known_by_its_fields():
    own = table("crew.Member", handle="CharField unique 60", work_mail="EmailField", password="CharField 128")
    plan = make_scrub({**told(own, user="crew.Member"), "username": "handle"}, Scrub())
    assert {c.name: c.rule.kind for c in plan.columns} == {"handle": "username", "work_mail": "email", "password": "password"}


def test_sessions_and_tokens_leave_no_row():
    plan, _found = rules(USER, table("sessions.Session", session_data="TextField"), table("authtoken.Token", key="CharField"))
    assert plan.emptied == ("authtoken_token", "sessions_session")
    assert not plan.suspects


def test_what_is_declared_wins_over_what_is_known():
    _plan, found = rules(USER, auth__User__username="keep")
    assert "auth_user.username" not in found
    assert "auth_user.email" in found


def test_an_undeclared_column_that_looks_personal_is_named_with_a_rule_that_fits():
    plan, _found = rules(CUSTOMER)
    assert plan.suspects == (("shop.Customer.email", "email"), ("shop.Customer.phone", "phone"))


@pytest.mark.parametrize(
    ("said", "guess"),
    [
        ("CharField 34", "digits"),
        ("CharField unique 34", "hash"),
        ("DateField", "date"),
        ("JSONField", "empty"),
        ("CharField null 5", "digits"),
    ],
)
def test_the_rule_that_is_proposed_fits_the_column(said, guess):
    plan, _found = rules(table("shop.Payment", iban=said))
    assert plan.suspects == (("shop.Payment.iban", guess),)


def test_keep_is_a_decision_too():
    plan, found = rules(CUSTOMER, shop__Customer__email="keep", shop__Customer__phone="phone")
    assert not plan.suspects
    assert found == {"shop_customer.phone": "phone"}


def test_what_refers_to_a_scrubbed_column_follows_it():
    order = table("shop.Order", customer="ForeignKey >shop_customer.email")
    line = table("shop.Line", buyer="ForeignKey null >shop_order.customer_id")
    _plan, found = rules(CUSTOMER, order, line, shop__Customer__email="email")
    assert found["shop_order.customer_id"] == "email"
    assert found["shop_line.buyer_id"] == "email"


def test_a_rule_of_its_own_for_what_refers_to_another_is_refused():
    order = table("shop.Order", customer="ForeignKey >shop_customer.email")
    with pytest.raises(UsageError, match="refers to another table") as caught:
        rules(CUSTOMER, order, shop__Order__customer="hash")
    assert "shop_customer.email" in caught.value.hint


def test_rows_that_lose_what_they_refer_to_go_or_refer_to_nothing():
    letter = table("shop.Letter", customer="ForeignKey >shop_customer.id", gift="ForeignKey null >shop_customer.id")
    page = table("shop.Page", letter="ForeignKey >shop_letter.id")
    plan, _found = rules(CUSTOMER, letter, page, shop__Customer="delete")
    assert plan.orphans == (
        Reference("shop_letter", "customer_id", "shop_customer", "id", null=False),
        Reference("shop_letter", "gift_id", "shop_customer", "id", null=True),
        Reference("shop_page", "letter_id", "shop_letter", "id", null=False),
    )


def test_every_earlier_value_in_a_history_follows_its_model():
    history = table("shop.HistoricalCustomer", history_id="IntegerField", email="EmailField", phone="CharField 40")
    _plan, found = rules(CUSTOMER, history, shop__Customer__email="email", shop__Customer__phone="phone")
    assert found["shop_historicalcustomer.email"] == "email"
    assert found["shop_historicalcustomer.phone"] == "phone"


def test_an_index_of_words_goes_with_the_words():
    page = table("shop.Page", body="TextField", found="SearchVectorField null")
    _plan, found = rules(page, shop__Page__body="text:gone")
    assert found == {"shop_page.body": "text:gone", "shop_page.found": "empty"}


@pytest.mark.parametrize(
    ("said", "rule", "word"),
    [
        ("EmailField unique", "name", "two rows the same value"),
        ("EmailField", "null", "can't be null"),
        ("JSONField", "email", "does not fit JSONField"),
        ("CharField 10", "email", "needs 24 characters"),
        ("DateField", "hash", "does not fit DateField"),
        ("CharField generated", "hash", "the database makes this column"),
    ],
)
def test_a_rule_that_can_not_do_it_is_refused(said, rule, word):
    with pytest.raises(UsageError, match=word) as caught:
        rules(table("shop.Thing", field=said), shop__Thing__field=rule)
    assert caught.value.where == 'nuages.toml: scrub."shop.Thing.field"'


@pytest.mark.parametrize(
    ("name", "hint"),
    [("shop__Custmer__email", "shop.Customer"), ("shop__Customer__emial", "email"), ("table:shop_custmer", "shop_customer")],
)
def test_a_rule_for_nothing_guesses_what_was_meant(name, hint):
    with pytest.raises(UsageError) as caught:
        rules(CUSTOMER, **{name: "delete" if name.startswith("table:") else "email"})
    assert hint in caught.value.hint


def test_a_table_that_no_model_names_leaves_without_rows_unless_it_is_kept():
    there = told(CUSTOMER, more=("old_people",))
    plan = make_scrub(there, Scrub())
    assert (plan.unknown, plan.emptied) == (("old_people",), ("old_people",))
    assert "old_people" in summary(intend(there, Scrub()))[-1]
    assert make_scrub(there, scrub_of({"table:old_people": "delete"})).unknown == ()
    assert make_scrub(there, scrub_of({"table:old_people": "keep"})).emptied == ()


def test_strict_copies_nothing_before_everything_is_decided():
    with pytest.raises(UsageError, match="2 columns look personal") as caught:
        intend(told(CUSTOMER, more=("old_people",)), Scrub(strict=True))
    assert '"shop.Customer.email" = "email"' in caught.value.detail


def test_the_summary_says_what_happens_and_the_warnings_what_does_not():
    intent = intend(
        told(USER, CUSTOMER, table("sessions.Session", session_data="TextField")), scrub_of({"shop.Customer.phone": "phone"})
    )
    assert "shop.Customer  phone: phone" in summary(intent)
    assert "without rows: sessions.Session" in summary(intent)
    assert warnings(intent) == ['"shop.Customer.email" = "email"']
