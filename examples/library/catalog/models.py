from datetime import timedelta

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

LOAN_DAYS = 21


class Author(models.Model):
    name = models.CharField(max_length=120, unique=True)
    sort_name = models.CharField(max_length=120, db_index=True)
    slug = models.SlugField(max_length=120, unique=True)
    born = models.SmallIntegerField(null=True, blank=True)
    died = models.SmallIntegerField(null=True, blank=True)
    about = models.TextField(blank=True)

    class Meta:
        ordering = ["sort_name"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("author", args=[self.slug])

    @property
    def years(self):
        return f"{self.born or '?'} – {self.died or ''}"


class Subject(models.Model):
    name = models.CharField(max_length=60, unique=True)
    slug = models.SlugField(max_length=60, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class Book(models.Model):
    title = models.CharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="books")
    year = models.SmallIntegerField("first published")
    language = models.CharField("original language", max_length=30, default="English")
    summary = models.TextField(blank=True)
    subjects = models.ManyToManyField(Subject, blank=True, related_name="books")
    cover = models.ImageField(upload_to="covers/", blank=True)
    added = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("book", args=[self.slug])

    @property
    def hue(self):
        """The colour of the drawn cover, for books that have no picture."""
        return self.pk * 47 % 360

    @property
    def pattern(self):
        return self.pk % 5

    def copy_for_loan(self):
        return self.copies.exclude(loans__returned_on=None, loans__isnull=False).first()


class Copy(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="copies")
    barcode = models.CharField(max_length=12, unique=True)
    shelf = models.CharField(max_length=20, blank=True)

    class Meta:
        ordering = ["barcode"]
        verbose_name_plural = "copies"

    def __str__(self):
        return f"{self.book} ({self.barcode})"


def due_date():
    return timezone.localdate() + timedelta(days=LOAN_DAYS)


class LoanQuerySet(models.QuerySet):
    def open(self):
        return self.filter(returned_on=None)

    def to_remind(self):
        """Open loans due within two days, or overdue, whose reader hasn't been told yet."""
        soon = timezone.localdate() + timedelta(days=2)
        return self.open().filter(due_on__lte=soon, reminded_at=None)


class Loan(models.Model):
    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="loans")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="loans")
    taken_on = models.DateField(default=timezone.localdate)
    due_on = models.DateField(default=due_date)
    returned_on = models.DateField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LoanQuerySet.as_manager()

    class Meta:
        ordering = ["due_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["copy"],
                condition=models.Q(returned_on=None),
                name="one_open_loan_per_copy",
            )
        ]

    def __str__(self):
        return f"{self.copy} to {self.reader}"

    @property
    def overdue(self):
        return self.returned_on is None and self.due_on < timezone.localdate()

    @property
    def days_left(self):
        return (self.due_on - timezone.localdate()).days
