"""Run migrations beside a live release: `python -m nuages_runtime.migrate --only shop.0002_x,shop.0003_y`.

The project's own `migrate` command does the work, so its signals and its overrides run. Added here: one line for
each migration as it happens; locks that are waited for only briefly, then tried again (PostgreSQL, SQLite; a
migration that is not atomic may be half done, so it is never repeated blindly); one runner at a time (PostgreSQL);
and columns whose default stays in the database while a release that does not know them still inserts rows.
Running it again does what is left.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time

from . import bridge
from .entry import set_up
from .pending import label, refusal


RETRIED = {"55P03", "40P01", "57014"}  # lock not available, deadlock, cancelled by statement_timeout
TRIES, FIRST_PAUSE = 10, 0.5
ALL = ["*"]
ADVISORY_LOCK = 0x6E756167


def say(text):
    print(text, flush=True)


# --- sessions ---------------------------------------------------------------------------------------------------


def guard_sessions(alias, lock_timeout, wait=60.0):
    """Every session of this process waits briefly for locks and holds the right to migrate."""
    from django.db import connections
    from django.db.backends.signals import connection_created

    def guard(connection, **kwargs):
        if connection.alias != alias or connection.vendor != "postgresql":
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", ["%dms" % int(lock_timeout * 1000)])
            cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '60s', false)")
            take_turn(cursor, wait)

    connection_created.connect(guard, weak=False)
    if connections[alias].connection is not None:
        guard(connections[alias])
    return guard


def take_turn(cursor, wait):
    deadline = time.monotonic() + wait
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > deadline:
            raise StoppedError("another process is migrating this database", "it still held the lock after %g s" % wait)
        time.sleep(0.5)


class StoppedError(Exception):
    def __init__(self, what, detail="", hint=""):
        super().__init__(what)
        self.what, self.detail, self.hint = what, detail, hint


# --- the run ----------------------------------------------------------------------------------------------------


class Run:
    """What happens to each migration: said as it happens, and remembered for a retry."""

    def __init__(self):
        self.current, self.atomic, self.done = "", True, []

    def watch(self, after=None):
        from django.db.migrations.executor import MigrationExecutor

        original = MigrationExecutor.apply_migration
        run = self

        def apply_migration(executor, state, migration, *args, **kwargs):
            run.current, run.atomic = label((migration.app_label, migration.name)), migration.atomic
            started = time.monotonic()
            state = original(executor, state, migration, *args, **kwargs)
            seconds = time.monotonic() - started
            run.done.append({"label": run.current, "seconds": round(seconds, 3)})
            say("%s  %.2f s" % (run.current, seconds))
            run.current = ""
            if after:
                after(migration)
            return state

        MigrationExecutor.apply_migration = apply_migration
        return original


def run_targets(targets, alias):
    """Through the project's own command, in order; post_migrate only once, with the last."""
    from django.core.management import call_command
    from django.core.management.commands import migrate as command

    emit = command.emit_post_migrate_signal
    quiet = io.StringIO()
    try:
        for number, target in enumerate(targets, 1):
            command.emit_post_migrate_signal = emit if number == len(targets) else (lambda *args, **kwargs: None)
            call_command("migrate", *target, database=alias, interactive=False, verbosity=0, stdout=quiet)
    finally:
        command.emit_post_migrate_signal = emit


def targets_of(alias, only):
    """(arguments for `migrate`, labels left to run). One call where all pending migrations are wanted."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections[alias])
    graph = executor.loader.graph
    unknown = [
        name
        for name in only
        if name != "*" and split(name) not in graph.nodes and split(name) not in executor.loader.applied_migrations
    ]
    if unknown:
        raise StoppedError("this release has no migration %s" % ", ".join(unknown))
    everything = [label((m.app_label, m.name)) for m, _ in executor.migration_plan(graph.leaf_nodes())]
    if only == ALL:
        return [()], everything
    left = [name for name in everything if name in set(only)]
    if left == everything:
        return [()], left
    last = {}
    for name in left:
        last[split(name)[0]] = name
    goals = sorted(last.values(), key=left.index)
    plan = [label((m.app_label, m.name)) for m, _ in executor.migration_plan([split(name) for name in goals])]
    extra = [name for name in plan if name not in left]
    if extra:
        raise StoppedError("these migrations need others that are not in the list", ", ".join(extra))
    return [split(name) for name in goals], left


def split(name):
    app, _, migration = name.partition(".")
    return app, migration


def migrate(alias, only, run):
    """Django records what is applied, so each try goes on where the last one stopped."""

    def attempt():
        targets, left = targets_of(alias, only)
        if left:
            run_targets(targets, alias)

    patiently(attempt, alias, run)


def patiently(attempt, alias, run):
    """Again and again while the database only refuses a lock."""
    pause = FIRST_PAUSE
    for number in range(1, TRIES + 1):
        try:
            return attempt()
        except Exception as error:
            if not is_lock(error) or not run.atomic or number == TRIES:
                raise
            say("%s  waits for a lock, tries again in %.1f s (%d of %d)" % (run.current or "the database", pause, number, TRIES))
            close(alias)
            time.sleep(pause)
            pause = min(pause * 2, 10)
    return None


def close(alias):
    from django.db import connections

    with contextlib.suppress(Exception):
        connections[alias].close()


def is_lock(error):
    while error is not None:
        code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if code in RETRIED or ("is locked" in str(error) and type(error).__module__ == "sqlite3"):
            return True
        error = error.__cause__
    return False


# --- the program ------------------------------------------------------------------------------------------------


def main(argv=None):
    parser = argparse.ArgumentParser(prog="nuages_runtime.migrate")
    parser.add_argument("--only", default="", help="app.name,app.name")
    parser.add_argument("--all", action="store_true", help="all that are pending")
    parser.add_argument("--database", default="default")
    parser.add_argument("--lock-timeout", type=float, default=3)
    parser.add_argument("--keep-defaults", metavar="FILE", help="leave column defaults in the database and note them here")
    parser.add_argument("--drop-defaults", metavar="FILE", help="drop the defaults noted there")
    parser.add_argument("--relax", default="", help="app.Model.field,...: make nullable, so that inserts may leave it out")
    options = parser.parse_args(argv)
    if not (options.only or options.all or options.relax or options.drop_defaults):
        parser.error("say what to run: --only, --all, --relax or --drop-defaults")
    run = Run()
    try:
        set_up()
        guard_sessions(options.database, options.lock_timeout)
        carry_out(options, run)
    except Exception as error:
        return fail(error, run, options.database)
    return 0


def carry_out(options, run):
    if options.drop_defaults:
        for line in bridge.drop_defaults(options.database, options.drop_defaults):
            say(line)
        return
    kept = bridge.Kept(options.keep_defaults) if options.keep_defaults else None
    if kept:
        bridge.keep_defaults(options.database, kept, run)
    run.watch(after=kept and kept.save)
    if options.all or options.only:
        wanted = ALL if options.all else [name for name in options.only.split(",") if name]
        migrate(options.database, wanted, run)
    # Last, since SQLite's rebuilds by the migrations would give the column its NOT NULL back.
    for field in filter(None, options.relax.split(",")):
        patiently(lambda field=field: say(bridge.relax(options.database, field)), options.database, run)


def fail(error, run, alias):
    """Our programs end with a JSON object that names the error."""
    from django.db import connections

    if isinstance(error, StoppedError):
        answer = {"error": error.what, "detail": error.detail, "hint": error.hint}
    else:
        message = "%s: %s" % (type(error).__name__, error)
        with contextlib.suppress(Exception):
            refused = refusal(connections[alias], error)
            message = "%s: %s" % (refused["class"], refused["message"])
        what = "%s failed" % run.current if run.current else "the migrations failed"
        answer = {"error": what, "detail": message, "hint": hint_for(error, run)}
    if os.environ.get("NUAGES_TRACEBACK"):
        import traceback

        traceback.print_exc()
    say(json.dumps(answer))
    return 1


def hint_for(error, run):
    if run.current and not run.atomic:
        return "it is not atomic, so a part of it may have been applied; look at the table before running it again"
    if is_lock(error):
        return "another session holds a lock on the table: end it, or deploy when the site is quiet"
    return "nothing of it was applied; those before it stay applied" if run.current else ""


if __name__ == "__main__":
    sys.exit(main())
