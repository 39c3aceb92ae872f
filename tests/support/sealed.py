"""A project with a field that is encrypted by a key of its configuration: POST /notes, GET /notes."""

from __future__ import annotations

from lab_project import LabProject


FIELD = """
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import models


class Sealed(models.TextField):
    def from_db_value(self, value, expression, connection):
        return Fernet(settings.FIELD_KEY).decrypt(value.encode()).decode()

    def get_prep_value(self, value):
        return Fernet(settings.FIELD_KEY).encrypt(value.encode()).decode()


class Note(models.Model):
    text = Sealed()
"""
MIGRATION = """
from django.db import migrations, models

import books.sealed


class Migration(migrations.Migration):
    dependencies = [("books", "LAST")]
    operations = [migrations.CreateModel("Note", [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("text", books.sealed.Sealed()),
    ])]
"""
VIEW = """

@csrf_exempt
def notes(request):
    from books.sealed import Note

    if request.method == "POST":
        Note.objects.create(text=request.POST["text"])
    return JsonResponse([note.text for note in Note.objects.order_by("id")], safe=False)
"""
SETTING = """
import os
FIELD_KEY = os.environ["FIELD_KEY"]
"""


def sealed(project: LabProject) -> LabProject:
    """FIELD_KEY must be given before the first deploy: a key of Fernet."""
    last = max(path.stem for path in (project.root / "books/migrations").glob("0*.py"))
    read = {
        path: (project.root / path).read_text()
        for path in ("books/models.py", "books/views.py", "shop/urls.py", "shop/settings.py", "requirements.txt")
    }
    return project.write(
        **{
            "books/sealed.py": FIELD,
            "books/models.py": read["books/models.py"] + "\nfrom books.sealed import Note  # noqa\n",
            f"books/migrations/{int(last[:4]) + 1:04d}_note.py": MIGRATION.replace("LAST", last),
            "books/views.py": read["books/views.py"] + VIEW,
            "shop/urls.py": read["shop/urls.py"].replace("urlpatterns = [", 'urlpatterns = [path("notes", views.notes),'),
            "shop/settings.py": read["shop/settings.py"] + SETTING,
            "requirements.txt": read["requirements.txt"] + "cryptography\n",
        }
    )
