from django.contrib import admin

from .models import Author, Book, Copy, Loan, Subject

admin.site.site_header = "Maple Street Library"
admin.site.site_title = "Maple Street Library"
admin.site.index_title = "Behind the desk"


class CopyInline(admin.TabularInline):
    model = Copy
    extra = 1


@admin.register(Author)
class AuthorAdmin(admin.ModelAdmin):
    list_display = ["name", "born", "died"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    list_display = ["title", "author", "year", "language"]
    list_filter = ["language", "subjects"]
    list_select_related = ["author"]
    search_fields = ["title", "author__name"]
    autocomplete_fields = ["author"]
    filter_horizontal = ["subjects"]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [CopyInline]


@admin.register(Subject)
class SubjectAdmin(admin.ModelAdmin):
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Loan)
class LoanAdmin(admin.ModelAdmin):
    list_display = ["copy", "reader", "taken_on", "due_on", "returned_on"]
    list_filter = ["due_on", "returned_on"]
    list_select_related = ["copy__book", "reader"]
    date_hierarchy = "taken_on"
    raw_id_fields = ["copy", "reader"]
