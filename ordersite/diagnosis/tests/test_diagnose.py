"""Faults of every kind and the cause that is named: of payments, parcels and messages; then the command and the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from logistics.carriers.types import TrackingStatus
from logistics.diagnosis.tests import test_obstacles as goods
from logistics.dispatch.route import apply_route
from logistics.models import Shipment, ShipmentException
from logistics.tests.builders import build_account, build_shipment, build_travelling, event, route_of
from orders.models import Order, PhoneLook
from orders.tests.builders import build_order, build_order_in
from ordersite.diagnosis.diagnose import diagnose
from ordersite.messaging.models import BuyerMessage, MessageStatus
from payments.manual.tests.test_settle import proposed
from payments.models import DeadCall, Payment, PaymentException, PaymentNotification, PaymentQuery
from payments.notifications import apply
from payments.tests.builders import alipay_body, build_alipay, build_payment, post_alipay

pytestmark = pytest.mark.django_db
WORKER_IS_GONE = timedelta(minutes=2)


def attempt() -> Payment:
    return build_payment(build_alipay())


def queried(code: str, error: str = "") -> Order:
    payment = attempt()
    PaymentQuery.objects.create(payment=payment, error_code=code, error=error, times=3)
    return payment.order


def notified(**changes: str) -> Order:
    payment = attempt()
    post_alipay(alipay_body(payment, **changes))
    apply.drain_notifications()
    return payment.order


def rejected() -> Order:
    payment = attempt()
    post_alipay(alipay_body(payment).replace(b"sign=", b"sign=AA"))
    return payment.order


def died_at_proxy() -> Order:
    payment = attempt()
    DeadCall.objects.create(
        at=timezone.now() + timedelta(seconds=1), provider="alipay", account_slug="demo-alipay",
        path="/notify/alipay/demo-alipay/", status=413, line_digest="x",
    )  # fmt: skip
    return payment.order


def left_in_the_queue() -> Order:
    payment = attempt()
    post_alipay(alipay_body(payment))
    PaymentNotification.objects.update(received_at=timezone.now() - WORKER_IS_GONE)
    return payment.order


def case(kind: str, status: str = "pending", **detail: str) -> Order:
    order = build_order_in(status)
    build_payment(build_alipay(), order=order)
    PaymentException.objects.create(kind=kind, dedup_key="x", order=order, detail=detail)
    return order


def settlement_proposed() -> Order:
    return proposed().order


def parcel(**columns: object) -> Order:
    build_account("http://127.0.0.1:9/query")
    found = build_shipment()
    Shipment.objects.update(**columns)
    return found.order


def without_account() -> Order:
    return build_shipment().order


def unpolled() -> Order:
    return parcel(next_check_at=timezone.now() - timedelta(hours=6))


def moved_to(status: TrackingStatus) -> Order:
    build_account("http://127.0.0.1:9/query")
    found = build_shipment()
    apply_route(found, route_of(event(0, status, "x")), next_check_in=timedelta(hours=2))
    return Order.objects.get(pk=found.order_id)


def parcel_case(kind: str) -> Order:
    build_account("http://127.0.0.1:9/query")
    found = build_travelling()
    ShipmentException.objects.create(kind=kind, order=found.order, shipment=found)
    return found.order


def pushes_refused() -> Order:
    account = build_account("http://127.0.0.1:9/query")
    found = build_travelling()
    ShipmentException.objects.create(kind="push_rejected", account=account)
    return found.order


def message(status: str, reason: str = "", **columns: object) -> Order:
    order = build_order_in("completed")
    row = BuyerMessage(
        merchant=order.merchant,
        order=order,
        event="order.paid",
        key="k",
        outside_id="k",
        reason=reason,
        next_try_at=timezone.now(),
        **columns,
    )
    row.save()
    BuyerMessage.objects.filter(pk=row.pk).update(status=status, next_try_at=None)
    return order


def message_waits() -> Order:
    order = message(MessageStatus.SENT, "quiet_hours")
    BuyerMessage.objects.update(status=MessageStatus.QUEUED, next_try_at=timezone.now() + timedelta(hours=8))
    return order


FAULTS: dict[str, tuple[Callable[[], Order], str]] = {
    "never at a cashier": (build_order, "no_payment_attempt"),
    "left the cashier": (lambda: attempt().order, "buyer_has_not_paid"),
    "provider down": (lambda: queried("provider_http_error", "HTTP 500"), "provider_unreachable"),
    "our key is wrong": (lambda: queried("provider_misconfigured"), "provider_account_unusable"),
    "our query is refused": (lambda: queried("provider_refused", "ISV.SIGN"), "provider_account_unusable"),
    "signature wrong": (rejected, "notification_rejected"),
    "call too large for the proxy": (died_at_proxy, "notification_died_at_proxy"),
    "no worker": (left_in_the_queue, "notification_waiting"),
    "cannot be processed": (lambda: case("poison"), "notification_parked"),
    "amount differs": (lambda: notified(total_amount="0.01"), "amount_mismatch"),
    "wrong account": (lambda: case("wrong_account"), "wrong_account"),
    "trade used twice": (lambda: case("reference_conflict"), "reference_conflict"),
    "paid twice": (lambda: case("already_paid", "paid"), "already_paid"),
    "paid after closing": (lambda: case("order_closed", "closed"), "paid_after_close"),
    "closed": (lambda: build_order_in("closed"), "order_closed"),
    "rule switched off": (lambda: case("order_refused"), "trigger_off"),
    "settlement proposed": (settlement_proposed, "settlement_waits"),
    "statement shows it": (
        lambda: case("statement_difference", difference="missing_here"), "statement_shows_money"
    ),
    "statement differs": (lambda: case("statement_difference"), "statement_difference"),
    "refund stuck": (lambda: case("refund_trouble", "paid"), "refund_trouble"),
    "held": (goods.held, "held"),
    "no warehouse instructed": (goods.not_dispatched, "not_dispatched"),
    "warehouse silent": (goods.unanswered, "dispatch_unanswered"),
    "warehouse refuses": (goods.refused, "dispatch_refused"),
    "out of stock": (goods.out_of_stock, "out_of_stock"),
    "being packed": (goods.not_shipped, "not_shipped"),
    "label without an answer": (goods.waybill_unknown, "waybill_unknown"),
    "label failed": (goods.waybill_refused, "waybill_refused"),
    "number missing": (goods.number_missing, "number_missing"),
    "no carrier account": (without_account, "carrier_account_missing"),
    "carrier account empty": (lambda: parcel(last_problem="out_of_funds: 601"), "carrier_account_unusable"),
    "carrier down": (lambda: parcel(last_problem="provider_timeout"), "carrier_unreachable"),
    "carrier wants the phone": (lambda: parcel(last_problem="phone_needed"), "carrier_refuses"),
    "carrier knows nothing": (lambda: parcel(last_problem="nothing_found"), "carrier_knows_nothing"),
    "poller dead": (unpolled, "not_polled"),
    "pushes refused": (pushes_refused, "push_refused"),
    "no news": (lambda: parcel_case("no_news"), "parcel_stalled"),
    "problem on the way": (lambda: moved_to(TrackingStatus.EXCEPTION), "parcel_problem"),
    "at the locker": (lambda: moved_to(TrackingStatus.READY_FOR_PICKUP), "waits_for_pickup"),
    "goes back": (lambda: moved_to(TrackingStatus.RETURNING), "parcel_returned"),
    "signed for, not completed": (lambda: parcel_case("order_not_completed"), "order_not_completed"),
    "message in quiet hours": (message_waits, "message_waiting"),
    "on the stop list": (lambda: message(MessageStatus.SUPPRESSED, "stopped"), "message_blocked"),
    "vendor refuses": (lambda: message(MessageStatus.FAILED, "bad_address"), "message_failed"),
    "not delivered": (lambda: message(MessageStatus.SENT, is_delivered=False), "message_failed"),
    "no answer of the vendor": (
        lambda: message(MessageStatus.FAILED, "unknown", is_uncertain=True), "message_maybe_sent"
    ),
    "no message account": (lambda: message(MessageStatus.FAILED, "no_channel"), "no_channel"),
    "moves": (lambda: build_travelling_with_account(), "nothing_wrong"),
    "told": (lambda: message(MessageStatus.SENT), "nothing_wrong"),
    "told perhaps twice": (lambda: message(MessageStatus.SENT, may_be_twice=True), "nothing_wrong"),
}  # fmt: skip


def build_travelling_with_account() -> Order:
    build_account("http://127.0.0.1:9/query")
    return build_travelling().order


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault: str) -> None:
    build, code = FAULTS[fault]
    order = build()

    found = diagnose(Order.objects.get(pk=order.pk))

    assert found.code == code, [(link.name, link.state, link.cause_code) for link in found.links]
    assert found.text
    assert found.who


def test_healed_faults_are_named_no_more() -> None:
    order = parcel(last_problem="provider_timeout")
    assert diagnose(Order.objects.get(pk=order.pk)).code == "carrier_unreachable"

    Shipment.objects.update(last_problem="", last_checked_at=timezone.now())

    assert diagnose(Order.objects.get(pk=order.pk)).code == "nothing_wrong"


def test_a_polled_parcel_is_heard_of_while_pushes_are_refused() -> None:
    order = pushes_refused()
    assert {link.name: link.state for link in diagnose(order).links}["tracked"] == "broken"

    Shipment.objects.update(last_checked_at=timezone.now())

    found = diagnose(Order.objects.get(pk=order.pk))
    assert {link.name: link.state for link in found.links}["tracked"] == "waiting"
    assert found.code == "push_refused"


def run(query: str) -> dict[str, Any]:
    out = StringIO()
    call_command("diagnose", query, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_command_speaks_json() -> None:
    order = rejected()

    found = run(order.number)

    assert found["subject"] == order.number
    assert found["cause"]["code"] == "notification_rejected"
    links = {link["name"]: link for link in found["links"]}
    assert links["signature"]["state"] == "broken"
    assert links["order"]["at"].endswith("+08:00")
    assert set(links["order"]) == {"name", "state", "at", "evidence"}
    assert found["actions"][0]["code"] == "query_provider"
    assert "others" not in found


def test_command_finds_by_reference_waybill_and_phone() -> None:
    payment = attempt()
    shipped = build_travelling()

    assert run(payment.reference)["subject"] == payment.order.number
    assert run("YT1234567890123")["subject"] == shipped.order.number
    newest = run(payment.order.buyer_phone)
    assert newest["others"]


def test_search_by_phone_is_recorded() -> None:
    order = build_order()

    run(order.number)
    run(order.buyer_phone)

    look = PhoneLook.objects.get()
    assert (look.username.split()[0], look.order_id, len(look.searched)) == ("diagnose", order.pk, 16)


def test_of_several_orders_the_broken_one_speaks() -> None:
    broken = rejected()
    newer = build_order()

    found = run(newer.buyer_phone)

    assert (found["subject"], found["others"]) == (broken.number, [newer.number])


def test_money_without_an_order() -> None:
    payment = attempt()
    post_alipay(alipay_body(payment, out_trade_no="NOSUCHORDER1"))
    apply.drain_notifications()

    found = run("NOSUCHORDER1")

    assert found["cause"]["code"] == "unknown_reference"
    assert "demo-alipay" in found["cause"]["text"]


def test_nothing_found_is_an_error() -> None:
    with pytest.raises(CommandError, match="Nothing is known under 20990101-AAAA-00000000"):
        call_command("diagnose", "20990101-AAAA-00000000")


def test_words_for_a_terminal() -> None:
    order = rejected()
    out = StringIO()

    call_command("diagnose", order.number, stdout=out)

    lines = out.getvalue().splitlines()
    assert lines[0] == order.number
    assert any(line.startswith(" ! signature") for line in lines)
    assert any(line.startswith("notification_rejected: ") for line in lines)


def test_agent_reads_it_on_the_orders_page(client: Client) -> None:
    order = rejected()
    agent = User.objects.create_user("agent1", is_staff=True)
    agent.groups.add(Group.objects.get(name="agent"))
    client.force_login(agent)

    page = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()

    assert "为什么停在这里" in page
    assert "与支付平台后台核对账号密钥" in page
    assert f"?q={order.number}" in page
    assert "查看收款账户" not in page  # an agent may not


def test_queries_do_not_grow_with_the_history(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    build_account("http://127.0.0.1:9/query")
    order = build_travelling().order
    for number in range(30):
        BuyerMessage.objects.create(
            merchant=order.merchant,
            order=order,
            event="order.paid",
            next_try_at=timezone.now(),
            key=f"k{number}",
            outside_id=f"k{number}",
        )

    with django_assert_max_num_queries(20):
        diagnose(order)


def test_search_says_where_money_without_an_order_is(client: Client) -> None:
    payment = attempt()
    post_alipay(alipay_body(payment, out_trade_no="NOSUCHORDER1"))
    apply.drain_notifications()
    client.force_login(User.objects.create_superuser("root"))

    page = client.get("/admin/orders/order/?q=NOSUCHORDER1").content.decode()

    assert page.count("账号 demo-alipay 收到一笔使用这个单号的付款，但没有订单使用它。") == 1
