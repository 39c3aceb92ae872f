from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm

from .models import Book


class SignUpForm(UserCreationForm):
    class Meta(UserCreationForm.Meta):
        model = get_user_model()
        fields = ["username", "email"]


class CoverForm(forms.ModelForm):
    cover = forms.ImageField(label="Picture of the cover")

    class Meta:
        model = Book
        fields = ["cover"]
