"""What a secret looks like. Each pattern is of a form that only a secret has; words like "password" are not."""

from __future__ import annotations

import re


SECRETS: dict[str, str] = {
    "a private key": r"-----BEGIN ((RSA|EC|DSA|OPENSSH|PGP) )?PRIVATE KEY( BLOCK)?-----",
    "an AWS access key": r"(^|[^A-Za-z0-9])(AKIA|ASIA)[A-Z2-7]{16}([^A-Za-z0-9]|$)",
    "a GitHub token": r"(ghp|gho|ghu|ghs|ghr)_"
    r"[A-Za-z0-9]{36}|github_pat_"
    r"[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "a GitLab token": r"glpat-[A-Za-z0-9_-]{20}",
    "a Slack token": r"xox[baprs]-[0-9]{10,13}-[0-9]{10,13}[A-Za-z0-9-]*",
    "a Stripe live key": r"(sk|rk)_live_[A-Za-z0-9]{20,}",
    "a SendGrid key": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "a PyPI token": r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}",
}
COMPILED = {what: re.compile(pattern, re.MULTILINE) for what, pattern in SECRETS.items()}
# For `git log -G`: one cheap expression that finds at least all of them; secrets_in() then judges each line.
ROUGHLY = r"PRIVATE KEY|AKIA[A-Z2-7]|ASIA[A-Z2-7]|gh[pousr]_[A-Za-z0-9]|github_pat_|glpat-|xox[baprs]-|[sr]k_live_|SG[.][A-Za-z0-9_-]|pypi-AgEI"

# Keys that stand in documentation and tests are no leaks.
EXAMPLES = re.compile(r"EXAMPLE|XXXX|xxxx|1234567890|abcdef|<.*>|\.\.\.")
SAMPLE_PATHS = re.compile(
    r"(^|[/_.-])(tests?|testing|testdata|fixtures?|docs?|examples?|samples?|mocks?|vendor|node_modules)([/_.-]|$)|\.(md|rst|lock|po|svg|map)$|\.min\.\w+$|package-lock\.json$",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(
    r"django-insecure|change.?me|your.?(secret|key|pass)|secret.?key|replace|example|insecure|dummy|default|placeholder|todo|dev|test|local|sample|fake|xxx|not.?(a|so)?.?(secret|real)|\.\.\.|^(.)\1*$",
    re.IGNORECASE,
)


def secrets_in(text: str) -> list[tuple[str, int]]:
    """(what, line) of each secret; a key header counts only with key material after it."""
    found = []
    for what, pattern in COMPILED.items():
        for match in pattern.finditer(text):
            after = text[match.end() : match.end() + 200]
            if what == "a private key" and not re.match(r"(\\n|\s)+[A-Za-z0-9+/=:,\- \\]{40}", after):
                continue
            if not EXAMPLES.search(match.group()):
                found.append((what, text.count("\n", 0, match.start()) + 1))
    return found
