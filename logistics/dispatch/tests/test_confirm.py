"""Confirming parcels: every code, each row for itself, repetitions, and races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.dispatch import check
from logistics.dispatch.confirm import Confirmation, ProductQuantity, confirm_shipments
from logistics.models import Shipment, ShipmentLine, Warehouse
from logistics.tests.builders import (
    ERP,
    build_paid,
    build_warehouse,
    confirm,
    new_number,
    parcel_in,
    parcel_of,
)
from orders.changes import Hold
from orders.history.verify import verify_history
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes, build_merchant, build_order, build_order_in
from orders.tests.web import at_once
from ordersite.queue.models import AuditEntry, OutboxEntry


def lines_of(order: Order) -> list[tuple[str, str, str]]:
    return list(
        OrderEvent.objects.filter(order=order).order_by("seq").values_list("kind", "from_status", "to_status")
    )


@pytest.mark.django_db
def test_parcel_with_everything_ships_the_order() -> None:
    order = build_paid(cups=3)
    row = Confirmation(
        order=order.number,
        warehouse="main",
        carrier="sf",
        tracking_number=" sf 1234567890123 ",
        shipped_at=timezone.now() - timedelta(hours=1),
        insured_value=Decimal("500.00"),
    )
    answer = confirm(order.merchant, row)[0]

    parcel = parcel_in(answer)

    assert (answer.order, answer.ok, answer.code) == (order.number, True, "ok")
    assert (parcel.carrier, parcel.tracking_number, parcel.insured_value) == (
        "sf",
        "SF1234567890123",
        Decimal("500.00"),
    )
    assert (parcel.status, parcel.shipped_at, parcel.merchant_id) == (
        "shipped",
        row.shipped_at,
        order.merchant_id,
    )
    assert parcel.next_check_at is not None
    assert [(line.order_line.product_id, line.quantity) for line in parcel.lines.all()] == [("cup-1", 3)]
    after = Order.objects.get(pk=order.pk)
    assert (after.status, after.shipped_at) == ("shipped", row.shipped_at)
    assert lines_of(order)[2:] == [("waybill", "", ""), ("transition", "paid", "shipped")]
    line = OrderEvent.objects.get(order=order, kind="waybill")
    assert line.evidence == f'{{"kind":"waybill","id":"sf SF1234567890123","sha256":"{"ab" * 32}"}}'
    assert OutboxEntry.objects.filter(name="order.shipped", subject_id=order.pk).count() == 1
    verify_history()


@pytest.mark.django_db
def test_several_parcels_of_one_order() -> None:
    order = build_paid(cups=3, lids=2)
    first = Confirmation(
        order=order.number, warehouse="main", carrier="yto", tracking_number=new_number(),
        lines=(ProductQuantity("cup-1", 2), ProductQuantity("lid-1", 1)),
    )  # fmt: skip

    answers = confirm(order.merchant, first, parcel_of(order, cups=1))

    assert [answer.code for answer in answers] == ["ok", "ok"]
    assert Order.objects.get(pk=order.pk).status == "paid"
    assert confirm(order.merchant, parcel_of(order))[0].code == "ok"
    assert Order.objects.get(pk=order.pk).status == "shipped"
    shipped = (
        ShipmentLine.objects.values_list("order_line__product_id")
        .annotate(Sum("quantity"))
        .order_by("order_line")
    )
    assert list(shipped) == [("cup-1", 3), ("lid-1", 2)]
    assert OrderEvent.objects.filter(order=order, kind="waybill").count() == 3
    verify_history()


@pytest.mark.django_db
def test_product_on_two_lines_is_taken_from_both() -> None:
    order = build_paid(cups=2, lids=3)

    order.lines.filter(product_id="lid-1").update(product_id="cup-1")

    assert confirm(order.merchant, parcel_of(order, cups=4))[0].code == "ok"
    assert list(ShipmentLine.objects.order_by("order_line__position").values_list("quantity", flat=True)) == [
        2,
        2,
    ]
    assert confirm(order.merchant, parcel_of(order, cups=2))[0].code == "over_shipped"
    assert confirm(order.merchant, parcel_of(order, cups=1))[0].code == "ok"
    assert Order.objects.get(pk=order.pk).status == "shipped"


@pytest.mark.django_db
def test_repeating_changes_nothing() -> None:
    order = build_paid()
    row = parcel_of(order)
    first = confirm(order.merchant, row)[0]
    before = (lines_of(order), OutboxEntry.objects.count())
    again = confirm(order.merchant, row, row)
    assert [(a.code, a.ok, a.shipment) for a in again] == [("already_confirmed", True, first.shipment)] * 2
    assert (lines_of(order), OutboxEntry.objects.count()) == before
    assert Shipment.objects.count() == 1


@pytest.mark.django_db
def test_twice_in_one_call_is_one_parcel() -> None:
    order = build_paid()
    row = parcel_of(order)
    first, second = confirm(order.merchant, row, row)
    assert (first.code, second.code) == ("ok", "already_confirmed")
    assert first.shipment == second.shipment
    assert Shipment.objects.count() == 1


def _unknown_order(order: Order) -> Confirmation:
    other = build_order_in("paid", merchant=build_merchant("other"))
    return parcel_of(other)


def _unpaid(order: Order) -> Confirmation:
    return parcel_of(build_order(merchant=order.merchant))


def _closed(order: Order) -> Confirmation:
    return parcel_of(build_order_in("closed", merchant=order.merchant))


def _refunded(order: Order) -> Confirmation:
    return parcel_of(build_order_in("refunded", merchant=order.merchant))


def _held(order: Order) -> Confirmation:
    apply_changes(Hold(order.pk, ERP, "疑似刷单"))
    return parcel_of(order)


def _switched_off(order: Order) -> Confirmation:
    TransitionRule.objects.filter(trigger="warehouse").update(is_enabled=False)
    return parcel_of(order)


def _shipped(order: Order) -> Confirmation:
    confirm(order.merchant, parcel_of(order))
    return parcel_of(order)


def _too_many(order: Order) -> Confirmation:
    return parcel_of(order, cups=3)


def _strange_product(order: Order) -> Confirmation:
    return Confirmation(
        order=order.number, warehouse="main", carrier="yto", tracking_number=new_number(),
        lines=(ProductQuantity("cup-1", 1), ProductQuantity("tea-9", 1)),
    )  # fmt: skip


def _strange_carrier(order: Order) -> Confirmation:
    return parcel_of(order, carrier="pigeon")


def _idle_warehouse(order: Order) -> Confirmation:
    Warehouse.objects.update(is_active=False)
    return parcel_of(order)


def _others_warehouse(order: Order) -> Confirmation:
    build_warehouse(build_merchant("other"), slug="theirs")
    return Confirmation(order=order.number, warehouse="theirs", carrier="yto", tracking_number=new_number())


def _used_number(order: Order) -> Confirmation:
    number = new_number()
    confirm(order.merchant, parcel_of(build_paid(merchant=order.merchant), number=number))
    return parcel_of(order, number=number)


REFUSALS: list[tuple[Callable[[Order], Confirmation], str]] = [
    (_unknown_order, "unknown_order"),
    (_unpaid, "not_paid"),
    (_closed, "not_paid"),
    (_refunded, "not_paid"),
    (_held, "held"),
    (_switched_off, "held"),
    (_shipped, "over_shipped"),
    (_too_many, "over_shipped"),
    (_strange_product, "over_shipped"),
    (_strange_carrier, "unknown_carrier"),
    (_idle_warehouse, "unknown_warehouse"),
    (_others_warehouse, "unknown_warehouse"),
    (_used_number, "tracking_number_used"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("arrange", "code"), REFUSALS)
def test_refusal_changes_nothing(arrange: Callable[[Order], Confirmation], code: str) -> None:
    order = build_paid(cups=2)
    row = arrange(order)
    before = (
        list(Order.objects.order_by("pk").values_list("status", "history_seq", "history_hash")),
        list(Shipment.objects.values_list("pk", flat=True)),
        ShipmentLine.objects.count(),
        OutboxEntry.objects.count(),
    )
    answer = confirm(order.merchant, row)[0]

    assert (answer.code, answer.ok, answer.shipment) == (code, False, None)
    assert answer.message
    after = (
        list(Order.objects.order_by("pk").values_list("status", "history_seq", "history_hash")),
        list(Shipment.objects.values_list("pk", flat=True)),
        ShipmentLine.objects.count(),
        OutboxEntry.objects.count(),
    )
    assert after == before


@pytest.mark.django_db
def test_refused_rows_leave_the_others_alone() -> None:
    merchant = build_merchant()
    good, unpaid, other = build_paid(), build_order(), build_paid()

    answers = confirm(
        merchant,
        parcel_of(unpaid),
        parcel_of(good),
        parcel_of(other, carrier="pigeon"),
        parcel_of(good),
        parcel_of(other),
    )

    assert [answer.code for answer in answers] == ["not_paid", "ok", "unknown_carrier", "over_shipped", "ok"]
    assert set(Order.objects.filter(status="shipped")) == {good, other}


@pytest.mark.django_db
def test_constant_number_of_queries() -> None:
    merchant, counted = build_merchant(), []
    for size in (2, 40):
        rows = [parcel_of(build_paid(cups=2), cups=n % 2) for n in range(size)]
        with CaptureQueriesContext(connection) as queries:
            confirm(merchant, *rows)
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert counted[1] <= 21


@pytest.mark.django_db
def test_too_many_rows_are_refused() -> None:
    order = build_paid()
    with pytest.raises(ValueError, match="500"):
        confirm_shipments(order.merchant, [parcel_of(order)] * 501, actor=ERP)
    assert not Shipment.objects.exists()


@pytest.mark.django_db
def test_raw_sql_on_a_waybill_is_audited() -> None:
    order = build_paid()
    parcel = parcel_in(confirm(order.merchant, parcel_of(order, number="YT1000000000099"))[0])

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE logistics_shipment SET tracking_number = 'YT2', carrier = 'sf', insured_value = 5000 WHERE id = %s",
            [parcel.pk],
        )

    entries = AuditEntry.objects.filter(table_name="logistics_shipment", row_id=parcel.pk).order_by(
        "column_name"
    )
    assert list(entries.values_list("column_name", "old_value", "new_value")) == [
        ("carrier", "yto", "sf"),
        ("insured_value", None, "5000"),
        ("tracking_number", "YT1000000000099", "YT2"),
    ]


def confirm_code(order: Order, row: Confirmation) -> str:
    return confirm(order.merchant, row)[0].code


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_without_the_lock_ships_too_much() -> None:
    """Without the lock both read what is left before either writes."""
    order = build_paid(cups=2)
    read = threading.Barrier(2)

    def ship_unguarded() -> None:
        with transaction.atomic():
            left = check.quantities_left({order.pk: order})[0][order.pk]
            line_id, quantity = next(iter(left.items()))
            read.wait(10)
            parcel = Shipment.objects.create(
                order=order, merchant=order.merchant, warehouse=Warehouse.objects.get(), carrier="yto",
                tracking_number=new_number(), shipped_at=timezone.now(),
            )  # fmt: skip
            ShipmentLine.objects.create(shipment=parcel, order_line_id=line_id, quantity=quantity)

    at_once([ship_unguarded] * 2)

    assert ShipmentLine.objects.aggregate(Sum("quantity"))["quantity__sum"] == 4  # of 2 ordered


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_race_never_ships_too_much(_round: int) -> None:
    order = build_paid(cups=2)
    rows = [parcel_of(order, cups=2) for _ in range(4)]
    codes = at_once([partial(confirm_code, order, row) for row in rows])
    assert sorted(codes) == ["ok", "over_shipped", "over_shipped", "over_shipped"]
    assert ShipmentLine.objects.aggregate(Sum("quantity"))["quantity__sum"] == 2
    assert OrderEvent.objects.filter(order=order, to_status="shipped").count() == 1
    verify_history()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_for_one_parcel_inserts_one() -> None:
    order = build_paid(cups=2)
    row = parcel_of(order)
    codes = at_once([partial(confirm_code, order, row)] * 6)
    assert sorted(codes) == ["already_confirmed"] * 5 + ["ok"]
    assert (Shipment.objects.count(), ShipmentLine.objects.count()) == (1, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_race_for_one_waybill_has_one_winner(_round: int) -> None:
    one, two = build_paid(), build_paid()
    number = new_number()

    codes = at_once([partial(confirm_code, order, parcel_of(order, number=number)) for order in (one, two)])

    assert sorted(codes) == ["ok", "tracking_number_used"]
    assert sorted(Order.objects.values_list("status", flat=True)) == ["paid", "shipped"]
    verify_history()
