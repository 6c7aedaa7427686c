"""Twins: the database refuses them, and the error names the first order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from orders import machine
from orders.intake.create import create_order
from orders.models import Buyer, Order, OrderEvent
from orders.tests.builders import build_merchant, move
from orders.tests.calls import build_caller, build_draft, order_body, post_order
from orders.tests.web import at_once
from ordersite.lib.errors import DomainError
from ordersite.queue.models import OutboxEntry

NOON = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
in_transaction = pytest.mark.django_db


def _create(
    buyer: str, *, at: datetime = NOON, products: tuple[str, ...] = ("cup-1",), confirm: bool = False
) -> Order:
    draft = build_draft(buyer, products=products, confirm_duplicate=confirm)
    return create_order(draft, merchant=build_merchant(), now=at)


@in_transaction
def test_twin_is_409_and_writes_nothing() -> None:
    caller, body = build_caller(), order_body()
    first = post_order(caller, body)
    counts = (OrderEvent.objects.count(), OutboxEntry.objects.count(), Buyer.objects.get().name)
    body["buyer"]["name"] = "somebody else"
    body["lines"][0]["quantity"] = 1

    second = post_order(caller, body)

    assert (second.status_code, second.json()["code"]) == (409, "duplicate_suspected")
    assert second.json()["details"] == {"order_number": first.json()["number"]}
    assert (OrderEvent.objects.count(), OutboxEntry.objects.count(), Buyer.objects.get().name) == counts


@in_transaction
def test_confirmed_twin_gets_the_next_number() -> None:
    caller, body = build_caller(), order_body()
    for _time in range(3):
        assert post_order(caller, {**body, "confirm_duplicate": True}).status_code == 201
    assert list(Order.objects.order_by("id").values_list("twin_number", flat=True)) == [0, 1, 2]


@in_transaction
def test_set_of_products_decides() -> None:
    _create("b", products=("x", "y"))
    with pytest.raises(DomainError) as refused, transaction.atomic():
        _create("b", products=("y", "x"))
    assert refused.value.code == "duplicate_suspected"
    _create("b", products=("x",))
    _create("other", products=("x", "y"))
    assert Order.objects.count() == 3


@in_transaction
def test_paid_order_has_no_twin_in_the_next_minute() -> None:
    first = _create("b", at=NOON.replace(second=59))
    move(first, "pay", machine.NOTIFICATION)
    with pytest.raises(DomainError), transaction.atomic():
        _create("b", at=NOON.replace(second=0))
    _create("b", at=NOON + timedelta(minutes=1))
    assert Order.objects.count() == 2


@in_transaction
@pytest.mark.parametrize("later", [timedelta(milliseconds=200), timedelta(minutes=25)])
def test_unpaid_order_has_twins_beyond_its_minute(later: timedelta) -> None:
    at = NOON.replace(second=59, microsecond=900_000)
    first = _create("b", at=at)
    with pytest.raises(DomainError) as refused, transaction.atomic():
        _create("b", at=at + later)
    assert refused.value.params == {"order_number": first.number}
    confirmed = _create("b", at=at + later, confirm=True)
    assert (confirmed.twin_number, Order.objects.count()) == (1, 2)


@in_transaction
def test_pending_constraint_refuses_a_copy() -> None:
    order = _create("b")
    Order.objects.filter(pk=order.pk).update(number="copy", minute=order.minute - 5)
    copy = Order.objects.get(pk=order.pk)
    copy.pk, copy.number, copy.tracking_token, copy.minute = None, "copy-2", "copy-2", order.minute
    copy._state.adding = True
    with pytest.raises(IntegrityError, match=r"order_pending_twin|product_set"), transaction.atomic():
        copy.save(force_insert=True)


@in_transaction
def test_closed_order_lets_one_more_in() -> None:
    first = _create("b")
    move(first, "close", machine.BUYER_CANCEL)
    second = _create("b")
    assert second.twin_number == 1
    with pytest.raises(DomainError) as refused, transaction.atomic():
        _create("b")
    assert refused.value.params == {"order_number": second.number}
    assert Order.objects.count() == 2


@in_transaction
def test_buyer_id_of_another_merchant_is_no_twin() -> None:
    _create("b")
    create_order(build_draft("b"), merchant=build_merchant("other"), now=NOON)
    assert Order.objects.count() == 2


@in_transaction
def test_constraint_refuses_a_copy() -> None:
    order = _create("b")
    Order.objects.filter(pk=order.pk).update(number="copy")
    copy = Order.objects.get(pk=order.pk)
    copy.pk, copy.number, copy.tracking_token = None, "copy-2", "copy-2"
    copy._state.adding = True
    with pytest.raises(IntegrityError, match=r"order_minute_twin|product_set"), transaction.atomic():
        copy.save(force_insert=True)


def _constraints() -> list[Any]:
    names = ("order_minute_twin", "order_pending_twin")
    return [found for found in Order._meta.constraints if found.name in names]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_creates_one_order() -> None:
    build_merchant()
    works = [partial(_create, "twin")] * 8
    with connection.schema_editor() as editor:
        for constraint in _constraints():
            editor.remove_constraint(Order, constraint)
    try:
        at_once(works)
        assert Order.objects.count() == 8
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE orders_order SET twin_number = id - (SELECT min(id) FROM orders_order)")
        with connection.schema_editor() as editor:
            for constraint in _constraints():
                editor.add_constraint(Order, constraint)

    outcomes = at_once([partial(_create, "guarded")] * 8)

    made = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, DomainError)]
    assert (len(made), len(refused)) == (1, 7)
    assert {error.params["order_number"] for error in refused} == {made[0].number}
    assert Order.objects.filter(buyer__outside_id="guarded").count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_of_confirmations() -> None:
    build_merchant()
    first = _create("b")
    outcomes = at_once([partial(_create, "b", confirm=True)] * 2)
    numbers = set(Order.objects.values_list("twin_number", flat=True))
    assert first.twin_number == 0
    # The buyer's row serialises them: the second reads what the first wrote.
    assert (len([o for o in outcomes if isinstance(o, Order)]), numbers) == (2, {0, 1, 2})
