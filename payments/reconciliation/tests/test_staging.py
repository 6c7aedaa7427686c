"""Staged lines: of one attempt alone, gone afterwards, and never fewer than were read."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from payments.models import Statement
from payments.reconciliation import importing, staging
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.shop import account_at, paid, results, row_of

pytestmark = pytest.mark.django_db


def waiting(count: int = 1, *, slug: str = "") -> Statement:
    account = account_at("alipay", slug)
    content = bills.alipay_csv([row_of(paid(account)) for _ in range(count)])
    origin = importing.Origin(source=Statement.Source.UPLOAD, file_name="bill")
    return importing.take_in(account, io.BytesIO(content), origin).statement


def leave_behind(statement_id: int, attempt: int) -> None:
    """Stage a line as a worker does that is killed before it matches."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_statementstage (statement_id, attempt, number, kind, reference, provider_reference,"
            " refund_reference, amount, sha256, identity, note) VALUES (%s, %s, 9, 'payment', 'X', '', '', 1, '',"
            " '00000000000000000000000000000009', '')",
            [statement_id, attempt],
        )


def staged() -> set[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT statement_id, attempt FROM payments_statementstage")
        return set(cursor.fetchall())


def test_nothing_is_left_after_reading() -> None:
    statement = waiting(3)
    importing.import_statements()
    statement.refresh_from_db()
    assert (results(statement), staged()) == ({"matched": 3}, set())


def test_lines_of_a_killed_attempt_are_not_matched() -> None:
    statement = waiting()
    leave_behind(statement.pk, 1)
    past = timezone.now() - timedelta(seconds=1)
    Statement.objects.filter(pk=statement.pk).update(status="reading", attempts=1, leased_until=past)
    importing.import_statements()
    statement.refresh_from_db()
    assert (statement.attempts, results(statement), staged()) == (2, {"matched": 1}, set())


def test_other_readers_lines_stay_and_orphans_go() -> None:
    reading, done = waiting(slug="a"), waiting(slug="b")
    Statement.objects.filter(pk=reading.pk).update(
        status="reading", attempts=1, leased_until=timezone.now() + timedelta(seconds=60)
    )
    Statement.objects.filter(pk=done.pk).update(done_at=timezone.now())
    leave_behind(reading.pk, 1)
    leave_behind(done.pk, 1)
    leave_behind(done.pk + 1000, 1)
    statement = waiting()
    importing.import_statements()
    statement.refresh_from_db()
    assert (results(statement), staged()) == ({"matched": 1}, {(reading.pk, 1)})


def test_stage_that_was_emptied_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crash of the database server does to an unlogged table."""
    statement, analyze = waiting(2), staging.analyze

    def crash() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM payments_statementstage")
        analyze()

    monkeypatch.setattr(staging, "analyze", crash)
    importing.import_statements()
    monkeypatch.undo()
    statement.refresh_from_db()
    assert (statement.status, statement.done_at, results(statement)) == ("reading", None, {})
    assert "0 of 2 staged lines" in statement.last_error
    Statement.objects.filter(pk=statement.pk).update(due_at=timezone.now())
    importing.import_statements()
    statement.refresh_from_db()
    assert results(statement) == {"matched": 2}


@pytest.mark.postgres
def test_stage_is_unlogged() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = %s", [staging.TABLE])
        found: Any = cursor.fetchone()
    assert found[0] in ("u", b"u")
