"""Poetry's version language in PEP 440."""

from __future__ import annotations

import re


def specifier(text: str) -> str:
    """`^3.12` is `>=3.12,<4`; of `a || b` the lower bound of the first and the upper bound of the last are kept."""
    parts = [p.strip() for p in re.split(r"\|\|?", text) if p.strip()]
    if len(parts) > 1:
        first, last = specifier(parts[0]).split(","), specifier(parts[-1]).split(",")
        return ",".join([*[c for c in first if c.startswith(">")][:1], *[c for c in last if c.startswith("<")][:1]])
    clauses = [_clause(c) for c in re.split(r"\s*,\s*|\s+(?=[\^~<>=!])", text.strip()) if c]
    return ",".join(c for c in clauses if c)


def _clause(text: str) -> str:
    text = re.sub(r"\s+", "", text)
    if text in ("", "*"):
        return ""
    if text.startswith("~="):
        return text
    if text[0] in "^~":
        low = text[1:].lstrip("=")
        return f">={low},<{_next(low, caret=text[0] == '^')}"
    if text[0] in "<>!" or text.startswith("=="):
        return text
    return f"=={text.lstrip('=')}"


def _next(low: str, *, caret: bool) -> str:
    numbers = [int(n) for n in re.findall(r"\d+", re.split(r"[a-zA-Z+-]", low)[0])][:3] or [0]
    keep = next((i + 1 for i, n in enumerate(numbers) if n), len(numbers)) if caret else min(2, len(numbers))
    bumped = [*numbers[: keep - 1], numbers[keep - 1] + 1]
    return ".".join(str(n) for n in bumped)
