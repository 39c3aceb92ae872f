from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.db import migrations
from django.utils import timezone
from django.utils.text import slugify

from catalog.first_books import AUTHORS, BOOKS, LOANS


def add_books(apps, schema_editor):
    Author, Book, Copy, Subject = (
        apps.get_model("catalog", name) for name in ("Author", "Book", "Copy", "Subject")
    )
    for name, surname, born, died, about in AUTHORS:
        fields = {"slug": slugify(name), "sort_name": surname, "born": born, "died": died, "about": about}
        Author.objects.get_or_create(name=name, defaults=fields)
    for number, (title, author, year, language, subjects, summary) in enumerate(BOOKS, 1):
        fields = {
            "title": title,
            "author": Author.objects.get(name=author),
            "year": year,
            "language": language,
            "summary": summary,
        }
        book, new = Book.objects.get_or_create(slug=slugify(title), defaults=fields)
        for copy in range(2 if new else 0):
            shelf = f"{author.split()[-1][:3].upper()} {year}"
            Copy.objects.create(book=book, barcode=f"ML{number:04d}-{copy + 1}", shelf=shelf)
        for name in subjects.split(", ") if new else ():
            subject, _ = Subject.objects.get_or_create(slug=slugify(name), defaults={"name": name})
            book.subjects.add(subject)


def add_readers_and_loans(apps, schema_editor):
    User, Copy, Loan = (
        apps.get_model(*name) for name in (("auth", "User"), ("catalog", "Copy"), ("catalog", "Loan"))
    )
    if Loan.objects.exists():
        return
    today = timezone.localdate()
    readers = {
        name: User.objects.get_or_create(
            username=name,
            # only the card of the demonstration opens, with the password that the login page shows
            defaults={
                "password": make_password("open-all-hours" if name == "reader" else None),
                "email": f"{name}@library.example",
            },
        )[0]
        for name in dict.fromkeys(loan[1] for loan in LOANS)
    }
    for title, name, taken, due, returned in LOANS:
        free = Copy.objects.filter(book__title=title)
        if returned is None:
            free = free.exclude(pk__in=Loan.objects.filter(returned_on=None).values("copy"))
        Loan.objects.create(
            copy=free.first(),
            reader=readers[name],
            taken_on=today - timedelta(days=taken),
            due_on=today + timedelta(days=due),
            returned_on=None if returned is None else today - timedelta(days=returned),
        )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.RunPython(add_books, migrations.RunPython.noop),
        migrations.RunPython(add_readers_and_loans, migrations.RunPython.noop),
    ]
