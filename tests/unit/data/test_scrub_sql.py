"""Rules as statements: each row is written once, NULL and "" stay, and names are quoted. Pure."""

from __future__ import annotations

import pytest
from told_tables import table, told

from nuages.data.scrub_rules import make_scrub
from nuages.data.scrub_sql import statements
from nuages.topology.scrub import scrub_of


CUSTOMER = table(
    "shop.Customer",
    email="EmailField unique 254",
    born="DateField null",
    tags="ArrayField",
    data="JSONField",
    ip="GenericIPAddressField",
    code="UUIDField",
    seen="DateTimeField",
)


def of(vendor, *tables, **rules):
    plan = make_scrub(told(*tables, vendor=vendor), scrub_of({name.replace("__", "."): rule for name, rule in rules.items()}))
    return [each["sql"] for each in statements(plan, vendor)]


def test_one_statement_writes_all_columns_of_a_table():
    (sql,) = of("postgresql", CUSTOMER, shop__Customer__email="email", shop__Customer__born="null")
    assert sql == (
        'UPDATE "shop_customer" SET "born" = NULL, "email" = CASE WHEN "email" IS NULL THEN NULL '
        "WHEN \"email\" = '' THEN '' ELSE nuages_scrub.scrub_email(\"email\"::text, 254) END"
    )


@pytest.mark.parametrize(
    ("field", "rule", "part"),
    [
        ("born", "date:9", "scrub_days(\"born\"::text, 9) * interval '1 day'"),
        ("tags", "email", 'unnest("tags"::text[]) WITH ORDINALITY'),
        ("data", "json-drop:mail, it's", "ARRAY['mail', 'it''s']"),
        ("data", "empty", "ELSE '{}' END::jsonb"),
        ("ip", "ip", '(nuages_scrub.scrub_ip6(host("ip")))::inet'),
        ("code", "hash", '(nuages_scrub.scrub_hash("code"::text, 32))::uuid'),
        ("email", "keep", ""),
    ],
)
def test_each_type_has_its_form_in_postgresql(field, rule, part):
    assert part in "".join(of("postgresql", CUSTOMER, **{f"shop__Customer__{field}": rule}))


def test_sqlite_has_the_same_words_as_functions_of_ours():
    (sql,) = of("sqlite", CUSTOMER, shop__Customer__email="email", shop__Customer__data="json-drop:mail")
    assert 'scrub_email(CAST("email" AS TEXT), 254)' in sql
    assert "scrub_json(\"data\", 'mail')" in sql


def test_old_rows_go_and_then_what_referred_to_them():
    order = table("shop.Order", customer="ForeignKey >shop_customer.id", gift="ForeignKey null >shop_customer.id")
    first, second, third = of("postgresql", CUSTOMER, order, shop__Customer__seen="delete:90d")
    assert first == 'DELETE FROM "shop_customer" WHERE "seen" < now() - interval \'90 days\''
    assert second.startswith('DELETE FROM "shop_order" WHERE')
    assert third.startswith('UPDATE "shop_order" SET "gift_id" = NULL WHERE')


def test_a_name_can_not_end_its_quotes():
    odd = table("shop.Odd", **{'a"; DROP TABLE x; --': "CharField 40"})
    plan = make_scrub({**told(odd)}, scrub_of({}))
    assert not plan.columns
    (sql,) = of("postgresql", {**odd, "table": 'o"dd', "label": "shop.Odd"}, shop__Odd="delete")
    assert sql == 'DELETE FROM "o""dd"'
