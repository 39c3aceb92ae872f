"""The commit that is about to be released."""

from __future__ import annotations

from collections.abc import Iterator

from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


@check("commit.N001", "commit.N004")
def working_tree(context: Context) -> Iterator[Finding]:
    source = context.source
    if not source.in_git:
        yield finding(
            "commit.N004",
            "info",
            "not a git repository: a release can't be traced to a commit",
            hint="git init && git add -A && git commit",
        )
        return
    status = source.git("status", "--porcelain", "--untracked-files=normal", "--", ".")
    changed = [line[3:] for line in (status or "").splitlines()]
    if changed:
        names = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")  # noqa: PLR2004
        many = f"{len(changed)} file{'s are' if len(changed) > 1 else ' is'}"
        yield finding(
            "commit.N001",
            "info",
            f"{many} not committed ({names}); the release is marked dirty",
            hint="commit, so that the release can be built again",
        )


@check("commit.N002")
def not_pushed(context: Context) -> Iterator[Finding]:
    ahead = (context.source.git("rev-list", "--count", "@{upstream}..HEAD") or "").strip() if context.source.in_git else ""
    if ahead not in ("", "0"):
        yield finding(
            "commit.N002",
            "info",
            f"{ahead} commit{'s' if ahead != '1' else ''} not pushed: only this machine has what would serve",
            hint="git push",
        )


@check("commit.N003")
def behind_what_is_live(context: Context) -> Iterator[Finding]:
    source = context.source
    if not context.live or not source.in_git:
        return
    live = (source.git("rev-parse", "--verify", "--quiet", f"{context.live}^{{commit}}") or "").strip()
    if not live:
        yield finding(
            "commit.N003",
            "warning",
            f"the live commit {context.live[:10]} is not in this clone",
            hint="git pull: somebody else deployed it",
        )
    elif source.git("merge-base", "--is-ancestor", live, "HEAD") is None:
        missing = (source.git("rev-list", "--count", f"HEAD..{live}") or "?").strip()
        yield finding(
            "commit.N003",
            "warning",
            f"this commit lacks {missing} that are live ({live[:10]}): deploying takes them back",
            hint="merge or rebase, or use `nuages rollback` if that is what you want",
        )
