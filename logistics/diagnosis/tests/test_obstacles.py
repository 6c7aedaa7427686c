"""Each cause that keeps goods from leaving: its code, its words, what mends it, and that it heads the order's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from logistics import about
from logistics.dispatch.instructions import by_hand
from logistics.dispatch.instructions.tests.test_instructions import (
    STAFF,
    ack,
    build_pull,
    count,
    fetch,
    run_events,
)
from logistics.models import Dispatch, Shipment, ShipmentException, ShipmentLine, WaybillOrder, WaybillStatus
from logistics.tests.builders import build_account, build_paid, build_shipment, build_waybill_order
from orders.changes import Hold
from orders.models import MerchantMember, Order
from orders.tests.builders import apply_changes
from orders.truth.sentence import truth_of
from ordersite.lib.panels import Link

pytestmark = pytest.mark.django_db


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def cause_of(order: Order) -> Link:
    """The first link that is not in order."""
    return next(link for link in about.explain(fresh(order)) if link.state in ("broken", "waiting"))


def later(**by: int) -> None:
    """Set all that happened back, as if so much time had passed."""
    for row in Dispatch.objects.all():
        ended_at = row.ended_at and row.ended_at - timedelta(**by)
        due_at = row.answer_due_at and row.answer_due_at - timedelta(**by)
        accepted_at = row.accepted_at and row.accepted_at - timedelta(**by)
        Dispatch.objects.filter(pk=row.pk).update(
            created_at=row.created_at - timedelta(**by),
            ended_at=ended_at,
            answer_due_at=due_at,
            accepted_at=accepted_at,
        )
    Order.objects.update(paid_at=timezone.now() - timedelta(**by))


def instructed() -> Order:
    build_pull("hz", "浙江省")
    order = build_paid()
    run_events()
    return order


def held() -> Order:
    order = instructed()
    apply_changes(Hold(order.pk, STAFF, "brushing"))
    return order


def not_dispatched() -> Order:
    build_pull("hz", "浙江省")
    order = build_paid()
    later(minutes=10)
    return order


def taken_back() -> Order:
    order = instructed()
    by_hand.cancel(Dispatch.objects.get().pk, actor=STAFF, reason="x")
    later(minutes=10)
    return order


def unanswered() -> Order:
    order = instructed()
    later(minutes=121)
    return order


def unconfirmed() -> Order:
    order = instructed()
    ack({"id": fetch("hz")[0]["id"], "ok": True})
    later(minutes=121)
    return order


def refused() -> Order:
    order = instructed()
    ack({"id": fetch("hz")[0]["id"], "ok": False, "code": "damaged", "message": "纸箱破损"})
    return order


def refused_and_resolved() -> Order:
    order = refused()
    ShipmentException.objects.update(resolved_at=timezone.now())
    return order


def out_of_stock() -> Order:
    count(build_pull("hz", "浙江省"), "cup-1", 0)
    order = build_paid()
    run_events()
    return order


def not_shipped() -> Order:
    order = instructed()
    later(minutes=30)
    return order


def waybill(status: str) -> Order:
    parcel = build_shipment()
    row = build_waybill_order(parcel, build_account("http://127.0.0.1:9/query"))
    ShipmentLine.objects.all().delete()
    Shipment.objects.all().delete()
    WaybillOrder.objects.filter(pk=row.pk).update(
        status=status,
        parcel=None,
        last_problem="refused: 8016 地址不详",
        created_at=timezone.now() - timedelta(minutes=5),
    )
    Order.objects.filter(pk=parcel.order_id).update(status="paid")
    return Order.objects.get(pk=parcel.order_id)


def waybill_unknown() -> Order:
    return waybill(WaybillStatus.UNKNOWN)


def waybill_refused() -> Order:
    return waybill(WaybillStatus.REFUSED)


def number_missing() -> Order:
    parcel = build_shipment()
    ShipmentLine.objects.all().delete()
    Shipment.objects.all().delete()
    return parcel.order


@pytest.mark.parametrize(
    ("build", "code", "state", "words"),
    [
        (held, "held", "broken", "The order is held"),
        (not_dispatched, "not_dispatched", "broken", "No warehouse is instructed"),
        (taken_back, "not_dispatched", "broken", "The instruction to hz was taken back."),
        (unanswered, "dispatch_unanswered", "broken", "hz has not answered its instruction for 2"),
        (
            unconfirmed,
            "dispatch_unanswered",
            "broken",
            "hz took its instruction, but has confirmed no parcel",
        ),
        (refused, "dispatch_refused", "broken", "hz"),
        (refused_and_resolved, "dispatch_refused", "broken", "damaged · 纸箱破损"),
        (out_of_stock, "out_of_stock", "broken", "No warehouse can send it"),
        (not_shipped, "not_shipped", "waiting", "hz has had its instruction for 30"),
        (waybill_unknown, "waybill_unknown", "waiting", "has not said"),
        (waybill_refused, "waybill_refused", "broken", "地址不详"),
        (number_missing, "number_missing", "broken", "no waybill number"),
    ],
)
def test_each_cause_has_its_code_and_its_words(
    build: Callable[[], Order], code: str, state: str, words: str
) -> None:
    order = build()
    with translation.override("en"):
        link = cause_of(order)

    assert (link.cause_code, link.state) == (code, state)
    assert words in link.cause
    assert len(link.advice) > 20


@pytest.mark.parametrize(
    "build",
    [
        not_dispatched,
        unanswered,
        refused,
        refused_and_resolved,
        out_of_stock,
        waybill_unknown,
        number_missing,
    ],
)
def test_the_cause_is_the_sentence_of_truth(build: Callable[[], Order]) -> None:
    order = build()
    link, truth = cause_of(order), truth_of(fresh(order))

    assert truth.code.removeprefix("case_") == link.cause_code
    assert truth.staff == link.cause or truth.first.code.startswith("case_")
    assert truth.first.advice == link.advice
    assert truth.merchant_line is truth.first
    assert truth.buyer_line is not truth.first


def test_an_instruction_in_time_is_no_obstacle() -> None:
    order = instructed()

    assert truth_of(fresh(order)).code == "paid"
    assert about.explain(fresh(order))[0].state == "good"


def test_the_order_page_says_where_and_why() -> None:
    order = unanswered()
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(User.objects.create_superuser("root"))

    page = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()

    for words in ("还没有应答", "请打电话问仓库", "就在浙江省", "已逾时", "改派仓库", "保温杯 ×1"):
        assert words in page, words


def test_the_merchant_sees_where_and_no_reasons() -> None:
    order = unanswered()
    member = User.objects.create_user("shop")
    MerchantMember.objects.create(merchant=order.merchant, user=member)
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(member)

    page = client.get(f"/shop/orders/{order.number}/").content.decode()

    assert "仓库还没有应答，正在催办。" in page
    assert "hz #" in page
    assert "优先级" not in page
