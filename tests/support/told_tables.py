"""What dataside/columns.py tells of a database, for tests of the rules: `table("shop.Customer", email="EmailField unique")`."""

from __future__ import annotations

from typing import Any


KINDS = {
    "CharField": "text",
    "TextField": "text",
    "EmailField": "text",
    "JSONField": "json",
    "DateField": "date",
    "DateTimeField": "datetime",
    "IntegerField": "int",
    "BooleanField": "bool",
    "UUIDField": "uuid",
    "GenericIPAddressField": "inet",
    "SearchVectorField": "words",
    "ArrayField": "array:text",
    "ForeignKey": "int",
    "AutoField": "int",
}


def column(field: str, said: str) -> dict[str, Any]:
    """`said`: the class, then any of: unique, null, a length, >table.column."""
    kind, *words = said.split()
    to = next((word[1:].split(".") for word in words if word.startswith(">")), None)
    return {
        "field": field,
        "column": f"{field}_id" if to else field,
        "class": kind,
        "kind": KINDS[kind],
        "max_length": next((int(word) for word in words if word.isdigit()), None),
        "protocol": None,
        "unique": "unique" in words,
        "null": "null" in words,
        "to": to,
        "generated": "generated" in words,
    }


def table(label: str, **fields: str) -> dict[str, Any]:
    columns = [column("id", "AutoField unique"), *(column(name, said) for name, said in fields.items())]
    return {"label": label, "table": label.lower().replace(".", "_"), "managed": True, "columns": columns}


def told(
    *tables: dict[str, Any], vendor: str = "postgresql", user: str = "auth.User", more: tuple[str, ...] = ()
) -> dict[str, Any]:
    names = [each["table"] for each in tables]
    return {
        "vendor": vendor,
        "name": "shop",
        "size": 1000,
        "user": user,
        "username": "username",
        "models": list(tables),
        "tables": [*names, "django_migrations", *more],
        "rows": dict.fromkeys(names, 10),
        "extensions": [],
    }
