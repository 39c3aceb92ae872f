"""An app with every kind of column: for copies from one engine to another. `write(root)`, then `fill` in its Python."""

from __future__ import annotations

from pathlib import Path


MODELS = '''
import uuid

from django.db import models


class Sealed(models.TextField):
    """A field with code of its own, as encrypting ones have: a copy must not pass through it."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else value[::-1]

    def get_prep_value(self, value):
        return None if value is None else "sealed:" + str(value)


class Kind(models.Model):
    code = models.SlugField(unique=True)


class Thing(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    kind = models.ForeignKey(Kind, models.CASCADE, to_field="code", null=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    friends = models.ManyToManyField("self", symmetrical=False, related_name="friend_of")
    name = models.CharField(max_length=40)
    text = models.TextField(blank=True)
    flag = models.BooleanField(default=False)
    maybe = models.BooleanField(null=True)
    price = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    ratio = models.FloatField(default=0)
    small = models.PositiveSmallIntegerField(default=0)
    big = models.BigIntegerField(default=0)
    day = models.DateField(null=True)
    at = models.DateTimeField(null=True)
    clock = models.TimeField(null=True)
    took = models.DurationField(null=True)
    data = models.JSONField(null=True)
    blob = models.BinaryField(default=b"")
    ip = models.GenericIPAddressField(null=True)
    file = models.FileField(upload_to="x", blank=True)
    sealed = Sealed(null=True)
    changed = models.DateTimeField(auto_now=True)


class Special(Kind):
    extra = models.CharField(max_length=10)


class Counter(models.Model):
    n = models.IntegerField()
'''
MORE = """
import datetime as dt
import decimal
import uuid

from django.contrib.auth.models import Permission, User
from django.db import connection
from wide.models import Counter, Kind, Special, Thing

UTC = dt.timezone.utc
kinds = [Kind.objects.create(code="kind-%d" % i) for i in range(3)]
Special.objects.create(code="special", extra="é")
things = Thing.objects.bulk_create([Thing(
    id=uuid.UUID(int=i + 1), kind_id="kind-%d" % (i % 3) if i % 5 else None, name="Thing %d ünï" % i, text="tab\\t \\\\ back \\n line %d \U0001f600" % i,
    flag=i % 2 == 0, maybe=[None, True, False][i % 3], price=decimal.Decimal(i) / 8, ratio=i / 7, small=i % 30000, big=-(2**40) + i,
    day=dt.date(1970, 1, 1) + dt.timedelta(days=i), at=dt.datetime(2026, 3, 29, 1, 30, 0, i, tzinfo=UTC), clock=dt.time(23, 59, i % 60, i),
    took=dt.timedelta(seconds=i, microseconds=7), data=[None, {"a": [1, 2.50, "x"], "b": {"ü": None}}, "text", 5][i % 4],
    blob=bytes(range(256)), ip="2001:db8::1" if i % 2 else "192.0.2.7", file="x/%d.png" % i, sealed="secret %d" % i,
) for i in range(COUNT)])
for child in things[1:50]:
    child.parent = things[0]
Thing.objects.bulk_update(things[1:50], ["parent"])
things[1].friends.set(things[2:5])
Thing.objects.update(changed=dt.datetime(2020, 1, 1, tzinfo=UTC))
ann = User.objects.create_user("ann", "ann@mail.example", "of ann")
ann.user_permissions.set(Permission.objects.all()[:3])
Counter.objects.bulk_create([Counter(n=i) for i in range(10)])
Counter.objects.filter(id__gt=5).delete()  # numbers 6 to 10 were given out, and must not be again
"""


def write(root: Path) -> None:
    for path, text in {"wide/__init__.py": "", "wide/models.py": MODELS}.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.lstrip("\n"), encoding="utf-8")


def fill(count: int) -> str:
    return MORE.replace("COUNT", str(count))
