"""A claim takes exactly its rows, whatever plan the database chooses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from ordersite.queue import claims
from ordersite.queue.inbox import InboxRow
from ordersite.queue.models import LOCKED_LEASE, Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_no_plan_claims_more_than_the_limit() -> None:
    """With a plain subquery this plan ran it for each row, and claimed all of them."""
    for number in range(12):
        Delivery.objects.create(handler="h", event="e", subject_id=number, event_at=timezone.now())
    with connection.cursor() as cursor:
        for name in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
            cursor.execute(f"SET LOCAL enable_{name} = off")
    claimed = claims.claim(Delivery, limit=5)
    assert len(claimed) == 5
    assert Delivery.objects.filter(attempts=0).count() == 7


def _away(ids: Sequence[int]) -> None:
    raise OperationalError("the connection is closed")


def _also_away(claimed: claims.Claim, error: Exception) -> None:
    raise OperationalError("the connection is closed")


def _delivery(number: int) -> Delivery:
    return Delivery.objects.create(handler="h", event="e", subject_id=number, event_at=timezone.now())


def test_what_a_restart_of_the_database_took_from_a_batch_is_claimed_again_at_once() -> None:
    rows = [_delivery(number) for number in range(3)]
    taken = claims.claim(Delivery, limit=5)
    with pytest.raises(OperationalError):
        claims.run_batch(Delivery, taken, _away, _also_away)
    again = claims.claim(Delivery, limit=5)
    assert [(claimed.id, claimed.attempts) for claimed in again] == [(row.pk, 2) for row in rows]


def test_a_row_that_another_process_took_over_meanwhile_stays_with_it() -> None:
    row = _delivery(1)
    taken = claims.claim(Delivery, limit=5)
    with pytest.raises(OperationalError):
        claims.run_batch(Delivery, taken, _away, _also_away)
    until = timezone.now() + timedelta(seconds=15)
    Delivery.objects.filter(pk=row.pk).update(attempts=2, leased_until=until)
    assert claims.claim(Delivery, limit=5) == []
    row.refresh_from_db()
    assert (row.attempts, row.leased_until) == (2, until)


def test_a_row_with_its_own_retry_time_keeps_it() -> None:
    row = _delivery(1)
    [taken] = claims.claim(Delivery, limit=5)

    def postponed_then_away(claimed: claims.Claim, error: Exception) -> None:
        claims.postpone(Delivery, claimed, error)
        raise OperationalError("the connection is closed")

    with pytest.raises(OperationalError):
        claims.run_batch(Delivery, [taken], _away, postponed_then_away)
    assert claims.claim(Delivery, limit=5) == []
    row.refresh_from_db()
    assert row.leased_until is None
    assert row.due_at > timezone.now()


@pytest.mark.django_db(transaction=True)
def test_a_slow_batch_is_not_taken_over_while_it_works() -> None:
    """Its lease is over, but its transaction holds the rows. A dead one's rows are free at once."""
    row = _delivery(1)
    Delivery.objects.filter(pk=row.pk).update(
        attempts=1, leased_until=timezone.now() - timedelta(milliseconds=1)
    )
    details = connection.get_connection_params()
    where = {
        name: details[name] for name in ("host", "port", "user", "password", "dbname") if name in details
    }
    with psycopg.connect(**where) as slow:
        slow.execute("SELECT id FROM rails_delivery WHERE id = %s FOR NO KEY UPDATE", [row.pk])
        assert claims.claim(Delivery, limit=5) == []
    assert [claimed.id for claimed in claims.claim(Delivery, limit=5)] == [row.pk]


def test_what_is_locked_while_it_is_worked_on_has_a_short_lease() -> None:
    row, before = _delivery(1), timezone.now()
    claims.claim(Delivery, limit=1)
    row.refresh_from_db()
    assert row.leased_until is not None
    assert timedelta(seconds=3) < row.leased_until - before < timedelta(seconds=5)


def test_every_queue_that_pays_an_order_has_the_short_lease() -> None:
    inboxes = InboxRow.__subclasses__()
    assert len(inboxes) == 2
    assert {Delivery.lease, *(inbox.lease for inbox in inboxes)} == {LOCKED_LEASE}
