"""What goes through the array literals comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orders.models import Order
from orders.tests.builders import build_order
from ordersite.database import bulk
from ordersite.queue.models import Delivery, OutboxEntry

ODD_TEXTS = [
    "",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    "{a,b}",
    "a,b",
    " x ",
    "行\n字\t",
    "'); DROP TABLE x;--",
    "%s",
    "🙂",
]


@pytest.mark.django_db
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_stored_unchanged(text: str) -> None:
    at = datetime(2026, 11, 22, 6, 2, 9, 123456, tzinfo=UTC)
    payload = {"text": text, "list": [1, None, True], "deep": {"quote": '"\\'}}
    rows = [OutboxEntry(name=text, subject_id=-(2**60), payload=payload, created_at=at)] * 2
    ids = bulk.insert_rows(OutboxEntry, rows, returning=("id",))
    found = OutboxEntry.objects.filter(pk__in=[row[0] for row in ids])
    assert [(e.name, e.subject_id, e.payload, e.created_at) for e in found] == [
        (text, -(2**60), payload, at)
    ] * 2


@pytest.mark.django_db
def test_empty_columns_and_flags_are_written() -> None:
    row = Delivery(
        handler="h", event="e", subject_id=1, event_at=datetime(2026, 1, 1, tzinfo=UTC), leased_until=None
    )
    (pk,) = bulk.insert_rows(Delivery, [row], returning=("id",))[0]
    saved = Delivery.objects.get(pk=pk)
    saved.leased_until, saved.last_error = datetime(2026, 1, 2, tzinfo=UTC), "x" * 500
    assert bulk.update_rows(Delivery, [saved], ("leased_until", "last_error"), guard={"handler": "h"}) == 1
    assert bulk.update_rows(Delivery, [saved], ("leased_until",), guard={"handler": "other"}) == 0
    again = Delivery.objects.get(pk=pk)
    assert (again.leased_until, again.last_error) == (datetime(2026, 1, 2, tzinfo=UTC), "x" * 500)


@pytest.mark.django_db
def test_money_is_written_in_fen() -> None:
    order = build_order(total="199.00")
    order.refunded_amount, order.held = Decimal("0.07"), True
    assert bulk.update_rows(Order, [order], ("refunded_amount", "held")) == 1
    saved = Order.objects.get(pk=order.pk)
    assert (saved.refunded_amount, saved.held) == (Decimal("0.07"), True)
