from datetime import timedelta
from io import BytesIO, StringIO
from tempfile import TemporaryDirectory

from django.contrib.auth import get_user_model
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import TestCase
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from .models import Book, Loan


def picture():
    file = BytesIO()
    Image.new("RGB", (40, 60), "teal").save(file, "PNG")
    return SimpleUploadedFile("emma.png", file.getvalue(), "image/png")


class PagesTest(TestCase):
    def test_every_public_page_answers(self):
        for path in [
            "/",
            "/books/",
            "/authors/",
            "/authors/mary-shelley/",
            "/books/emma/",
            "/accounts/signup/",
        ]:
            with self.subTest(path=path):
                self.assertEqual(self.client.get(path).status_code, 200)

    def test_search_finds_by_title_and_author(self):
        self.assertContains(self.client.get("/books/", {"q": "verne island"}), "The Mysterious Island")
        self.assertContains(self.client.get("/books/", {"q": "no such book"}), "fewer words")

    def test_pages_hold_twelve_books(self):
        self.assertEqual(len(self.client.get("/books/", {"page": 2}).context["page_obj"]), 12)


class ReaderTest(TestCase):
    def setUp(self):
        self.reader = get_user_model().objects.get(username="reader")

    def test_the_card_on_the_login_page_opens(self):
        self.assertTrue(self.client.login(username="reader", password="open-all-hours"))

    def test_a_book_is_borrowed_and_returned(self):
        self.client.force_login(self.reader)
        self.client.post(reverse("borrow", args=["villette"]))
        loan = Loan.objects.open().get(reader=self.reader, copy__book__slug="villette")
        self.assertContains(self.client.get("/loans/"), "Villette")
        self.client.post(reverse("return", args=[loan.pk]))
        loan.refresh_from_db()
        self.assertIsNotNone(loan.returned_on)

    def test_a_book_without_free_copies_is_not_lent(self):
        self.client.force_login(self.reader)
        answer = self.client.post(reverse("borrow", args=["pride-and-prejudice"]), follow=True)
        self.assertContains(answer, "All copies")

    def test_a_cover_is_uploaded(self):
        self.client.force_login(self.reader)
        with TemporaryDirectory() as folder, self.settings(MEDIA_ROOT=folder):
            self.client.post(reverse("cover", args=["emma"]), {"cover": picture()})
            self.assertContains(self.client.get("/books/emma/"), "/media/covers/emma")

    def test_signing_up_opens_an_account(self):
        form = {
            "username": "leo",
            "email": "leo@library.example",
            "password1": "yasnaya1828",
            "password2": "yasnaya1828",
        }
        self.assertRedirects(self.client.post("/accounts/signup/", form), "/books/")


class RemindersTest(TestCase):
    def test_each_loan_is_reminded_of_once(self):
        Loan.objects.open().update(due_on=timezone.localdate() + timedelta(days=30))
        late = Loan.objects.open().first()
        Loan.objects.filter(pk=late.pk).update(due_on=timezone.localdate())
        with self.subTest("sent"):
            call_command("send_reminders", stdout=StringIO())
            self.assertEqual([message.to for message in mail.outbox], [[late.reader.email]])
        with self.subTest("not again"):
            call_command("send_reminders", stdout=StringIO())
            self.assertEqual(len(mail.outbox), 1)

    def test_a_copy_is_out_once_at_a_time(self):
        self.assertIsNone(Book.objects.get(slug="pride-and-prejudice").copy_for_loan())
