"""What is personal in Django itself and in well-known apps: rules that hold where nuages.toml says nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from nuages.topology.scrub import Rule


# Fields of whatever model AUTH_USER_MODEL names; its e-mail fields and the one people log in with are scrubbed anyway.
USER: Mapping[str, Rule] = {
    "password": Rule("password"),
    "email": Rule("email"),
    "username": Rule("username"),
    "first_name": Rule("first-name"),
    "last_name": Rule("last-name"),
    "name": Rule("name"),
    "full_name": Rule("name"),
    "phone": Rule("phone"),
    "phone_number": Rule("phone"),
}
EMPTIED = (
    "sessions.Session",
    "user_sessions.Session",
    "qsessions.Session",
    "authtoken.Token",
    "knox.AuthToken",
    "token_blacklist.OutstandingToken",
    "token_blacklist.BlacklistedToken",
    "rest_framework_api_key.APIKey",
    "account.EmailConfirmation",
    "socialaccount.SocialToken",
    "mfa.Authenticator",
    "otp_totp.TOTPDevice",
    "otp_static.StaticToken",
    "otp_email.EmailDevice",
    "two_factor.PhoneDevice",
    "oauth2_provider.AccessToken",
    "oauth2_provider.RefreshToken",
    "oauth2_provider.Grant",
    "oauth2_provider.IDToken",
    "social_django.Nonce",
    "social_django.Code",
    "social_django.Partial",
    "silk.Request",
    "silk.Response",
    "silk.SQLQuery",
    "silk.Profile",
    "debug_toolbar.HistoryEntry",
    "axes.AccessAttempt",
    "axes.AccessLog",
    "axes.AccessFailureLog",
    "defender.AccessAttempt",
    "auditlog.LogEntry",
    "easyaudit.CRUDEvent",
    "easyaudit.LoginEvent",
    "easyaudit.RequestEvent",
    "reversion.Version",
    "reversion.Revision",
    "django_celery_results.TaskResult",
    "django_tasks_database.DBTaskResult",
    "django_q.Task",
    "django_q.OrmQ",
    "post_office.Email",
    "post_office.Log",
    "post_office.Attachment",
    "mailer.Message",
    "mailer.MessageLog",
    "wagtailforms.FormSubmission",
)
KNOWN: Mapping[str, Rule] = {
    **{label: Rule("delete") for label in EMPTIED},
    "admin.LogEntry.object_repr": Rule("text", "scrubbed"),
    "admin.LogEntry.change_message": Rule("empty"),
    "account.EmailAddress.email": Rule("email"),
    "socialaccount.SocialAccount.uid": Rule("hash"),
    "socialaccount.SocialAccount.extra_data": Rule("empty"),
    "social_django.UserSocialAuth.uid": Rule("hash"),
    "social_django.UserSocialAuth.extra_data": Rule("empty"),
}
