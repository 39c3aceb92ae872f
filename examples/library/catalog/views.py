import time

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views import generic
from django.views.decorators.http import require_POST

from .forms import CoverForm, SignUpForm
from .models import Author, Book, Copy, Loan, Subject


def home(request):
    return render(
        request,
        "catalog/home.html",
        {
            "newest": Book.objects.select_related("author").order_by("-added", "-pk")[:6],
            "popular": Book.objects.select_related("author")
            .annotate(times=Count("copies__loans"))
            .order_by("-times", "title")[:6],
            "subjects": Subject.objects.annotate(count=Count("books")).order_by("-count", "name"),
            "books": Book.objects.count(),
            "authors": Author.objects.count(),
            "out": Loan.objects.open().count(),
        },
    )


class BookList(generic.ListView):
    template_name = "catalog/book_list.html"
    paginate_by = 12

    def get_queryset(self):
        books = Book.objects.select_related("author")
        self.words = self.request.GET.get("q", "").strip()
        self.subject = Subject.objects.filter(slug=self.request.GET.get("subject", "")).first()
        for word in self.words.split():
            books = books.filter(
                Q(title__icontains=word) | Q(author__name__icontains=word) | Q(summary__icontains=word)
            )
        return books.filter(subjects=self.subject) if self.subject else books

    def get_context_data(self, **kwargs):
        query = self.request.GET.copy()
        query.pop("page", None)
        return super().get_context_data(
            words=self.words,
            subject=self.subject,
            subjects=Subject.objects.all(),
            query=query.urlencode(),
            **kwargs,
        )


class BookPage(generic.DetailView):
    queryset = Book.objects.select_related("author").prefetch_related("subjects")
    template_name = "catalog/book_detail.html"

    def get_context_data(self, **kwargs):
        book = self.object
        reader = self.request.user
        out = Loan.objects.open().filter(copy__book=book)
        return super().get_context_data(
            copies=book.copies.count(),
            free=book.copies.count() - out.count(),
            back_on=out.values_list("due_on", flat=True).first(),
            mine=out.filter(reader=reader).first() if reader.is_authenticated else None,
            more=book.author.books.exclude(pk=book.pk).select_related("author")[:6],
            **kwargs,
        )


class AuthorList(generic.ListView):
    queryset = Author.objects.annotate(count=Count("books"))
    template_name = "catalog/author_list.html"


class AuthorPage(generic.DetailView):
    model = Author
    template_name = "catalog/author_detail.html"

    def get_context_data(self, **kwargs):
        books = self.object.books.select_related("author").order_by("year")
        return super().get_context_data(books=books, **kwargs)


class MyLoans(LoginRequiredMixin, generic.ListView):
    template_name = "catalog/my_loans.html"

    def get_queryset(self):
        return self.request.user.loans.open().select_related("copy__book__author")

    def get_context_data(self, **kwargs):
        past = self.request.user.loans.exclude(returned_on=None).select_related("copy__book__author")
        return super().get_context_data(past=past.order_by("-returned_on")[:10], **kwargs)


@login_required
@require_POST
def borrow(request, slug):
    book = get_object_or_404(Book, slug=slug)
    copy = book.copy_for_loan()
    try:
        with transaction.atomic():
            loan = Loan.objects.create(copy=copy, reader=request.user) if copy else None
    except IntegrityError:  # somebody took the copy between the two queries
        loan = None
    if loan:
        messages.success(request, f"Enjoy “{book}”. Please bring it back by {loan.due_on:%-d %B}.")
    else:
        messages.error(request, f"All copies of “{book}” are out.")
    return redirect("my-loans" if loan else book)


@login_required
@require_POST
def give_back(request, pk):
    loan = get_object_or_404(Loan.objects.open().select_related("copy__book"), pk=pk, reader=request.user)
    loan.returned_on = timezone.localdate()
    loan.save(update_fields=["returned_on"])
    messages.success(request, f"Thank you for bringing back “{loan.copy.book}”.")
    return redirect("my-loans")


class CoverUpload(LoginRequiredMixin, SuccessMessageMixin, generic.UpdateView):
    model = Book
    form_class = CoverForm
    template_name = "catalog/cover_form.html"
    success_message = "The new cover is on the shelf."


class SignUp(generic.CreateView):
    form_class = SignUpForm
    template_name = "registration/signup.html"
    success_url = reverse_lazy("books")

    def form_valid(self, form):
        answer = super().form_valid(form)
        login(self.request, self.object)
        messages.success(self.request, f"Welcome, {self.object.username}. Your card is ready.")
        return answer


def slow_report(request):
    """Takes two seconds, like the report that every project has somewhere."""
    started = time.monotonic()
    time.sleep(2)
    languages = Book.objects.values("language").annotate(count=Count("pk")).order_by("-count")
    context = {
        "subjects": Subject.objects.annotate(count=Count("books")).order_by("-count", "name"),
        "languages": languages,
        "copies": Copy.objects.count(),
        "loans": Loan.objects.count(),
        "seconds": time.monotonic() - started,
    }
    return render(request, "catalog/slow_report.html", context)
