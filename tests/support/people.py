"""An app of people for stories about personal data: every kind of place where a value may hide, each planted with a canary.

add_people(root)            the app `people` beside the shop's `books`, its rules in nuages.toml's [scrub]
plant(count)                the code that fills it, for `manage.py shell`
CANARY                      is in every value that must not leave, and in nothing else
"""

from __future__ import annotations

from pathlib import Path


CANARY = "canary7f3a"
MODELS = """
from django.db import connection, models


class Customer(models.Model):
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    phone = models.CharField(max_length=40, blank=True)
    born = models.DateField(null=True)
    bio = models.TextField(blank=True)
    profile = models.JSONField(default=dict)
    iban = models.CharField(max_length=34, blank=True)
    ip = models.GenericIPAddressField(null=True)
    joined = models.DateTimeField(auto_now_add=True)
    plan = models.CharField(max_length=10, default="free")


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, to_field="email", db_column="customer_email")
    note = models.CharField(max_length=200, blank=True)
    total = models.DecimalField(max_digits=8, decimal_places=2, default=0)


class Letter(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    text = models.TextField()
"""
MIGRATION = """
import django.db.models.deletion
from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))
POSTGRESQL = '''
ALTER TABLE people_customer ADD COLUMN nicknames varchar(60)[] NOT NULL DEFAULT '{}';
CREATE INDEX people_lower ON people_customer (lower(email) varchar_pattern_ops, lower(name));
CREATE MATERIALIZED VIEW people_seen AS SELECT email, name, bio FROM people_customer;
CREATE TABLE people_audit (id bigserial PRIMARY KEY, old text);
CREATE FUNCTION people_remember() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO people_audit (old) VALUES (OLD.email || OLD.bio); RETURN NEW; END $$;
CREATE TRIGGER people_remembers AFTER UPDATE ON people_customer FOR EACH ROW EXECUTE FUNCTION people_remember();
CREATE STATISTICS people_together (mcv) ON name, phone FROM people_customer;
'''
SQLITE = '''
CREATE INDEX people_lower ON people_customer (lower(email), lower(name));
CREATE TABLE people_audit (id integer PRIMARY KEY, old text);
CREATE VIRTUAL TABLE people_fts USING fts5(words);
CREATE TRIGGER people_remembers AFTER UPDATE ON people_customer
  BEGIN INSERT INTO people_audit (old) VALUES (OLD.email || OLD.bio); END;
'''


def more(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute(POSTGRESQL)
    else:
        first, *rest = SQLITE.strip().split(";\\n", 3)
        for statement in (first, *rest):
            editor.execute(statement)


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Customer", [
            ID, ("email", models.EmailField(max_length=254, unique=True)), ("name", models.CharField(max_length=80)),
            ("phone", models.CharField(max_length=40, blank=True)), ("born", models.DateField(null=True)),
            ("bio", models.TextField(blank=True)), ("profile", models.JSONField(default=dict)),
            ("iban", models.CharField(max_length=34, blank=True)), ("ip", models.GenericIPAddressField(null=True)),
            ("joined", models.DateTimeField(auto_now_add=True)), ("plan", models.CharField(max_length=10, default="free")),
        ]),
        migrations.CreateModel("Order", [
            ID, ("customer", models.ForeignKey("people.Customer", django.db.models.deletion.CASCADE, to_field="email", db_column="customer_email")),
            ("note", models.CharField(max_length=200, blank=True)),
            ("total", models.DecimalField(max_digits=8, decimal_places=2, default=0)),
        ]),
        migrations.CreateModel("Letter", [
            ID, ("customer", models.ForeignKey("people.Customer", django.db.models.deletion.CASCADE)), ("text", models.TextField()),
        ]),
        migrations.RunPython(more, migrations.RunPython.noop),
    ]
"""
RULES = """
[scrub]
"people.Customer.email" = "email"
"people.Customer.name" = "name"
"people.Customer.phone" = "phone"
"people.Customer.born" = "date:40"
"people.Customer.bio" = "text:scrubbed"
"people.Customer.profile" = "json-drop:contact,nick"
"people.Customer.iban" = "digits"
"people.Customer.ip" = "ip"
"people.Order.note" = "empty"
"people.Customer.nicknames" = "hash"
"people.Letter" = "delete"
"table:people_audit" = "delete"
"""
PLANT = """
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from people.models import Customer, Letter, Order
C, COUNT = "{canary}", {count}
made = Customer.objects.bulk_create([
    Customer(email=f"{{C}}{{i}}@mail.example", name=f"{{C}} Name {{i}}", phone=f"+49 30 {{C}} {{i}}", born="1980-02-03",
             bio=f"{{C}} wrote: " + (f"a long tale {{i}} of {{C}} " * 400 if i < 20 else "short"),
             profile={{"contact": {{"mail": f"{{C}}{{i}}"}}, "likes": ["tea", {{"nick": C, "colour": "red"}}], "age": i}},
             iban=f"DE{{i:020d}}", ip="203.0.113.77")
    for i in range(COUNT)], batch_size=2000)
Order.objects.bulk_create([Order(customer_id=c.email, note=f"for {{C}}", total=i) for i, c in enumerate(made[::2])], batch_size=5000)
Letter.objects.bulk_create([Letter(customer=c, text=f"Dear {{C}}") for c in made[:50]])
User.objects.bulk_create([User(username=f"{{C}}{{i}}", email=f"{{C}}{{i}}@mail.example", first_name=C, last_name=C, password=C) for i in range(50)])
Session.objects.create(session_key=C, session_data=C, expire_date=timezone.now())
with connection.cursor() as cursor:
    cursor.execute("UPDATE people_customer SET plan = 'paid' WHERE id % 3 = 0")
    if connection.vendor == "postgresql":
        cursor.execute("UPDATE people_customer SET nicknames = ARRAY['" + C + "', '']")
        cursor.execute("REFRESH MATERIALIZED VIEW people_seen")
        cursor.execute("COMMENT ON TABLE people_customer IS '" + C + " asked for it'")
        cursor.execute("SELECT lo_from_bytea(0, '" + C + "')")
    else:
        cursor.execute("INSERT INTO people_fts VALUES ('" + C + " is looked for')")
    cursor.execute("ANALYZE")
print("planted", Customer.objects.count(), Order.objects.count())
"""


def plant(count: int) -> str:
    return PLANT.format(canary=CANARY, count=count)


def add_people(root: Path, rules: str = RULES) -> None:
    for path, text in {
        "people/__init__.py": "",
        "people/models.py": MODELS,
        "people/migrations/__init__.py": "",
        "people/migrations/0001_initial.py": MIGRATION,
    }.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.lstrip("\n"))
    settings = root / "shop" / "settings.py"
    settings.write_text(settings.read_text().replace('"books",\n]', '"books", "people",\n]'))
    toml = root / "nuages.toml"
    toml.write_text((toml.read_text() if toml.exists() else "") + rules)
