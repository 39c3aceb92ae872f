"""Nuages takes a Django project from `runserver` to production. Read `deploy.py` first."""

__version__ = "0.1.0"
