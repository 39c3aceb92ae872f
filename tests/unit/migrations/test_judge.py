"""Which migrations run before the switch, after it, in a window, or stop the deploy."""

from __future__ import annotations

import pytest

from nuages.errors import MigrationError
from nuages.migrations.explain import explain
from nuages.migrations.judge import judge
from nuages.migrations.model import Break, Rehearsal
from nuages.migrations.rehearsal import read_rehearsal


ADD_NULL = {
    "kind": "AddField",
    "describe": "Add field",
    "table": "shop_book",
    "field": {"column": "pages", "null": True},
}
REMOVE = {
    "kind": "RemoveField",
    "describe": "Remove field",
    "model": "shop.Book",
    "table": "shop_book",
    "field": {"name": "isbn", "column": "isbn", "null": True},
}
REMOVE_GIVEN = {**REMOVE, "field": {"name": "isbn", "column": "isbn", "null": False}}
RENAME = {
    "kind": "RenameField",
    "describe": "Rename field",
    "table": "shop_book",
    "renamed": True,
    "old": {"column": "isbn"},
    "field": {"column": "code"},
}
CHECK = {
    "kind": "AddConstraint",
    "describe": "Create constraint",
    "table": "shop_book",
    "constraint": "CheckConstraint",
}
CUSTOM = {"kind": "custom", "own": True, "class": "shop.Op", "describe": "Custom"}
FILL = {"kind": "RunPython", "describe": "Fill", "function": "shop.fill"}


def report(*migrations, **database):
    pending = [
        {
            "app": "shop",
            "name": f"{n:04}",
            "operations": list(ops),
            "needs": [f"shop.{n - 1:04}"] if n > 2 else [],
        }
        for n, ops in enumerate(migrations, 2)
    ]
    return {
        "databases": {
            "default": {
                "vendor": "postgresql",
                "pending": pending,
                "sizes": {"shop_book": {"rows": 5, "bytes": 8192}},
                **database,
            }
        }
    }


def phases(judgement):
    return [p.phase for p in judgement.pending]


def test_on_a_first_deploy_everything_runs_before():
    judgement = judge(report([RENAME], [REMOVE]), live=False)
    assert phases(judgement) == ["before", "before"]
    assert not judgement.snapshot
    assert "nothing to go back to" in judgement.rollback


def test_what_destroys_waits_until_after_the_switch_and_takes_a_snapshot():
    judgement = judge(report([ADD_NULL], [REMOVE]), live=True)
    assert phases(judgement) == ["before", "after"]
    assert judgement.snapshot
    assert "needs the snapshot" in judgement.rollback


def test_a_column_that_the_new_release_does_not_give_is_relaxed_before():
    judgement = judge(report([REMOVE_GIVEN]), live=True)
    assert phases(judgement) == ["after"]
    assert judgement.relax == ("shop.Book.isbn",)


@pytest.mark.parametrize(
    ("policy", "phase"), [("safe", "stop"), ("maintenance", "window"), ("manual", "stop"), ("any", "before")]
)
def test_where_neither_release_can_run_the_policy_decides(policy, phase):
    assert phases(judge(report([RENAME]), live=True, policy=policy)) == [phase]


def test_what_the_new_release_needs_can_not_wait_behind_what_must():
    judgement = judge(report([REMOVE], [ADD_NULL]), live=True)
    assert phases(judgement) == ["stop", "stop"]
    assert "depends on shop.0002" in judgement.pending[1].why


def test_what_nobody_needs_yet_waits_with_what_it_depends_on():
    judgement = judge(report([CHECK], [FILL]), live=True)
    assert phases(judgement) == ["after", "after"]
    assert judgement.pending[1].why == "waits for shop.0002"


def test_a_file_that_adds_and_removes_is_to_be_split():
    judgement = judge(report([ADD_NULL, REMOVE]), live=True)
    assert phases(judgement) == ["stop"]
    assert judgement.pending[0].hint.startswith("split it")


def test_proof_beats_a_guess():
    assert phases(judge(report([CUSTOM]), live=True)) == ["stop"]
    assert phases(judge(report([CUSTOM]), live=True, rehearsal=Rehearsal("on a copy", proved=True))) == ["before"]


def test_a_certain_break_stays_one_where_the_proof_can_not_see_it():
    assert phases(judge(report([CHECK]), live=True, rehearsal=Rehearsal("on a copy", proved=True))) == ["after"]


def test_what_breaks_the_live_code_on_a_copy_does_not_run_before():
    broken = Break("shop.Book", "isbn", "column isbn is not there", "no column")
    rehearsal = Rehearsal("on a copy", proved=True, introduces={"shop.0002": (broken,)}, needed={"shop.0002": (broken,)})
    judgement = judge(report([FILL]), live=True, rehearsal=rehearsal)
    assert phases(judgement) == ["stop"]
    assert "column isbn is not there" in judgement.pending[0].why


def test_a_migration_that_fails_on_the_copy_stops_the_deploy():
    judgement = judge(
        report([FILL]),
        live=True,
        policy="any",
        rehearsal=Rehearsal("on a copy", failed="shop.0002: IntegrityError: duplicates"),
    )
    assert phases(judgement) == ["stop"]
    assert "IntegrityError: duplicates" in judgement.pending[0].why


def test_a_database_that_does_not_answer_is_named():
    error = {"kind": "database_refused", "host": "db-1", "port": "5432", "message": "connection refused"}
    with pytest.raises(MigrationError, match=r"db-1:5432: the database does not answer") as caught:
        judge({"databases": {"default": {"vendor": "postgresql", "error": error}}}, live=True)
    assert caught.value.detail == "connection refused"


def test_conflicts_and_missing_migrations_are_told():
    facts = {
        **report(conflicts={"shop": ["0002_a", "0002_b"]}),
        "missing": [{"app": "shop"}, {"app": "taggit", "third_party": True}],
    }
    text = explain(judge(facts, live=True))
    assert "conflict  shop: 0002_a, 0002_b" in text
    assert "the models of shop changed" in text
    assert "taggit" not in text


def test_a_rehearsal_tells_each_migration_its_own_breaks():
    def step(after, *columns):
        return {
            "after": after,
            "breaks": [{"model": "shop.Book", "column": c, "what": c, "kind": "no column"} for c in columns],
        }

    new = {
        "how": "on a copy",
        "steps": [{}],
        "new": [step("", "pages"), step("shop.0002"), step("shop.0003")],
    }
    old = {"steps": [step("", "legacy"), step("shop.0002", "legacy"), step("shop.0003", "legacy", "isbn")]}
    rehearsal = read_rehearsal(new, old)
    assert [b.column for b in rehearsal.needed["shop.0002"]] == ["pages"]
    assert rehearsal.introduces["shop.0002"] == ()
    assert [b.column for b in rehearsal.introduces["shop.0003"]] == ["isbn"]
    assert [b.column for b in rehearsal.breaks_old] == ["isbn"]


def test_every_sentence_about_rollback_is_honest_about_the_snapshot():
    window = judge(report([RENAME]), live=True, policy="maintenance")
    assert "needs the snapshot" in window.rollback
    assert "needs the snapshot" in judge(report([RENAME]), live=True, policy="any").rollback
    assert "not tried" in judge(report([ADD_NULL]), live=True).rollback
    assert "same for both" in judge(report(), live=True).rollback


def test_a_deploy_that_stops_promises_neither_a_snapshot_nor_a_rollback():
    text = explain(judge(report([RENAME]), live=True))
    assert 'policy = "maintenance"' in text
    assert "snapshot" not in text
    assert "rollback" not in text


INDEX = {"kind": "AddIndex", "describe": "Create index", "table": "shop_book"}


@pytest.mark.parametrize(("seconds", "phase"), [(0.2, "before"), (40.0, "stop")])
def test_the_time_on_a_whole_copy_decides_whether_a_lock_matters(seconds, phase):
    rehearsal = Rehearsal("on a copy", proved=True, whole=True, seconds={"shop.0002": seconds})
    assert phases(judge(report([INDEX], sizes={}), live=True, rehearsal=rehearsal)) == [phase]
    assert phases(judge(report([ADD_NULL]), live=True, rehearsal=rehearsal)) == [phase]
