"""What would send the mail of the live release. Python 3.8+."""

from __future__ import annotations


def main(_wish, _say):
    from django.conf import settings

    mailers = getattr(settings, "MAILERS", None)
    if mailers:
        return {"backends": [str(entry.get("BACKEND", "")) for entry in mailers.values()]}
    return {"backends": [settings.EMAIL_BACKEND]}
