from django.urls import path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("books/", views.BookList.as_view(), name="books"),
    path("books/<slug:slug>/", views.BookPage.as_view(), name="book"),
    path("books/<slug:slug>/borrow/", views.borrow, name="borrow"),
    path("books/<slug:slug>/cover/", views.CoverUpload.as_view(), name="cover"),
    path("authors/", views.AuthorList.as_view(), name="authors"),
    path("authors/<slug:slug>/", views.AuthorPage.as_view(), name="author"),
    path("loans/", views.MyLoans.as_view(), name="my-loans"),
    path("loans/<int:pk>/return/", views.give_back, name="return"),
    path("accounts/signup/", views.SignUp.as_view(), name="signup"),
    path("reports/slow/", views.slow_report, name="slow-report"),
]
