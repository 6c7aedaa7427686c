"""Money that was paid and refunded before we saw it: recorded, a case, and no parcel leaves before a person looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.dispatch.confirm import confirm_shipments
from logistics.tests.builders import ERP, build_warehouse, parcel_of
from orders import machine
from orders.changes import Move, RequestClose
from orders.history.lines import SYSTEM
from orders.history.verify import verify_history
from orders.machine import Action
from orders.models import Merchant, Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes, build_merchant, build_order
from ordersite import relay
from ordersite.lib.money import fen, format_amount
from payments.accounts.save import save_account
from payments.models import Payment, PaymentAccount, PaymentException, PaymentStatus, RefundRequest
from payments.notifications.apply import drain_notifications
from payments.polling import poll
from payments.providers.unionpay.tests import messages as unionpay
from payments.providers.wechatpay.tests import messages as wechatpay
from payments.providers.wechatpay.tests.fake_gateway import REFUNDS, respond, signed, trade
from payments.tests import builders as build
from payments.tests.fake_provider import serving
from payments.tests.steps import fresh, poll_now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with serving() as running:
        yield running


@dataclass(frozen=True, slots=True)
class MoneyState:
    """What stands in the database about one payment."""

    order: str
    held: bool
    payment: str
    refunded: str
    cases: list[str]


def after(payment: Payment) -> MoneyState:
    now = fresh(payment)
    kinds = PaymentException.objects.open().filter(payment=payment).order_by("pk")
    return MoneyState(
        str(now.order.status),
        now.order.held,
        str(now.status),
        format_amount(now.refunded_amount),
        list(kinds.values_list("kind", flat=True)),
    )


def shipped(payment: Payment) -> str:
    """The code with which a warehouse's confirmation of the whole order is answered."""
    order = fresh(payment).order
    build_warehouse(order.merchant)
    return confirm_shipments(order.merchant, [parcel_of(order)], actor=ERP)[0].code


def wechat_account(server: HTTPServer) -> PaymentAccount:
    values = wechatpay.account_file(gateway_url=server.url_for(""))
    return save_account("demo-wechatpay", provider="wechatpay", merchant=build_merchant(), values=values)


def post_wechat(body: bytes) -> None:
    headers = wechatpay.signed_headers(body, at=timezone.now())
    url = "/notify/wechatpay/demo-wechatpay/"
    response = Client(headers=headers).post(url, data=body, content_type="application/json")
    assert response.status_code == 204
    drain_notifications()


def wechat_content(payment: Payment, **changes: Any) -> dict[str, Any]:
    total = fen(payment.amount)
    return {
        "out_trade_no": payment.reference,
        "amount": {"total": total, "payer_total": total, "currency": "CNY"},
        **changes,
    }


def wechat_says(server: HTTPServer, payment: Payment, **changes: Any) -> None:
    path = f"/v3/pay/transactions/out-trade-no/{payment.reference}"
    respond(server, path, signed(trade(**wechat_content(payment, **changes))))


def test_wechat_query_says_refund(server: HTTPServer) -> None:
    payment = build.build_payment(wechat_account(server))
    wechat_says(server, payment, trade_state="REFUND")

    poll.query_now(fresh(payment))

    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["refund_event"])
    assert (shipped(payment), fresh(payment).order.status) == ("held", "paid")


def test_one_transaction_pays_and_holds(server: HTTPServer) -> None:
    """Both changes are one visit to the orders' door: nothing can come between the two."""
    payment = build.build_payment(wechat_account(server))
    wechat_says(server, payment, trade_state="REFUND")

    poll.query_now(fresh(payment))

    lines = OrderEvent.objects.filter(order=payment.order).order_by("seq")
    kinds = list(lines.values_list("kind", "to_status", "recorded_at"))
    assert [kind for kind, _to, _at in kinds] == ["created", "transition", "hold"]
    assert kinds[1][2] == kinds[2][2]
    assert verify_history().lines == 3


def test_wechat_whole_sum_ends_refunded(server: HTTPServer) -> None:
    """The refund was made under the order's own number, the only one that can be queried."""
    payment = build.build_payment(wechat_account(server))
    total = fen(payment.amount)
    wechat_says(server, payment, trade_state="REFUND")
    refund = {
        "out_trade_no": payment.reference, "out_refund_no": payment.reference, "status": "SUCCESS",
        "amount": {"total": total, "refund": total, "currency": "CNY"},
    }  # fmt: skip
    respond(server, f"{REFUNDS}/{payment.reference}", signed(refund))

    poll.query_now(fresh(payment))

    assert after(payment) == MoneyState("refunded", False, "refunded", "199.00", ["refund_event"])
    assert shipped(payment) == "not_paid"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "PROCESSING"},
        {"amount": {"total": 19900, "refund": 100}},
        {"out_trade_no": "SOMETHING0ELSE01"},
    ],
)
def test_other_refund_under_the_number(server: HTTPServer, changes: dict[str, Any]) -> None:
    payment = build.build_payment(wechat_account(server))
    wechat_says(server, payment, trade_state="REFUND")
    refund = {
        "out_trade_no": payment.reference, "out_refund_no": payment.reference, "status": "SUCCESS",
        "amount": {"total": 19900, "refund": 19900}, **changes,
    }  # fmt: skip
    respond(server, f"{REFUNDS}/{payment.reference}", signed(refund))

    poll.query_now(fresh(payment))

    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["refund_event"])


def test_wechat_notification_says_refund(server: HTTPServer) -> None:
    payment = build.build_payment(wechat_account(server))
    post_wechat(wechatpay.payment_body(**wechat_content(payment, trade_state="REFUND")))
    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["refund_event"])
    assert shipped(payment) == "held"
    assert fresh(payment).next_query_at is not None

    wechat_says(server, payment, trade_state="REFUND")
    polled = poll_now(payment)

    assert (polled.queries, polled.next_query_at) == (1, None)
    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["refund_event"])


def test_query_is_repeated_while_unanswered(server: HTTPServer) -> None:
    payment = build.build_payment(wechat_account(server))
    post_wechat(wechatpay.payment_body(**wechat_content(payment, trade_state="REFUND")))
    server.expect_request(f"/v3/pay/transactions/out-trade-no/{payment.reference}").respond_with_data(
        status=500
    )

    polled = poll_now(payment)

    assert (polled.queries, polled.next_query_at is not None) == (1, True)


def test_sum_is_added_when_it_becomes_known(server: HTTPServer) -> None:
    payment = build.build_payment(wechat_account(server))
    post_wechat(wechatpay.payment_body(**wechat_content(payment, trade_state="REFUND")))
    for number, amount in (("C1", 10000), ("C2", 9900)):
        content = wechat_content(payment, out_refund_no=number, amount={"total": 19900, "refund": amount})
        post_wechat(wechatpay.refund_body(event={"id": f"EV-{number}"}, **content))

    assert after(payment).payment == PaymentStatus.REFUNDED
    assert (after(payment).order, after(payment).refunded) == ("refunded", "199.00")


def test_refund_state_after_the_payment(server: HTTPServer) -> None:
    """The order was paid and nobody here knows of a refund: it stops."""
    payment = build.build_payment(wechat_account(server))
    post_wechat(wechatpay.payment_body(**wechat_content(payment)))
    assert after(payment) == MoneyState("paid", False, "paid", "0.00", [])

    post_wechat(wechatpay.payment_body(**wechat_content(payment, trade_state="REFUND")))

    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["refund_event"])


def test_known_refund_is_no_news(server: HTTPServer) -> None:
    payment = build.build_payment(wechat_account(server))
    post_wechat(wechatpay.payment_body(**wechat_content(payment)))
    amount = {"total": 19900, "refund": 100}
    post_wechat(wechatpay.refund_body(event={"id": "EV-2"}, **wechat_content(payment, amount=amount)))

    post_wechat(wechatpay.payment_body(**wechat_content(payment, trade_state="REFUND")))

    assert after(payment) == MoneyState("paid", False, "paid", "1.00", ["refund_event"])


def test_wechat_refund_is_the_first_message(server: HTTPServer) -> None:
    payment = build.build_payment(wechat_account(server))
    amount = {"total": 19900, "refund": 8880}

    post_wechat(wechatpay.refund_body(**wechat_content(payment, amount=amount)))

    assert after(payment) == MoneyState("paid", True, "paid", "88.80", ["refund_event"])
    assert shipped(payment) == "held"


@pytest.mark.parametrize(("total", "status"), [("50.00", "TRADE_SUCCESS"), ("199.00", "TRADE_CLOSED")])
def test_alipay_refund_is_the_first_message(total: str, status: str) -> None:
    payment = build.build_payment(build.build_alipay())
    refund = {"refund_fee": total, "gmt_refund": "2026-11-22 15:00:00.1", "out_biz_no": "R1"}

    assert build.post_alipay(build.alipay_body(payment, trade_status=status, **refund)).content == b"success"
    drain_notifications()

    part = MoneyState("paid", True, "paid", "50.00", ["refund_event"])
    whole = MoneyState("refunded", False, "refunded", "199.00", ["refund_event"])
    assert after(payment) == (part if total == "50.00" else whole)
    assert PaymentException.objects.get().amount == build.yuan(total)


def test_alipay_refund_of_too_much() -> None:
    payment = build.build_payment(build.build_alipay())
    refund = {"refund_fee": "199.01", "gmt_refund": "2026-11-22 15:00:00", "out_biz_no": "R1"}

    build.post_alipay(build.alipay_body(payment, **refund))
    drain_notifications()

    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["amount_mismatch", "refund_event"])


def test_unionpay_refund_is_the_first_message() -> None:
    """It says nothing of the payment: the order stops, the provider is queried, and the answer pays it."""
    keys = unionpay.account()
    values = {**keys.config, **keys.secrets}
    account = save_account("demo-unionpay", provider="unionpay", merchant=build_merchant(), values=values)
    payment = build.build_payment(account)
    refund = {"orderId": "R202611220000000001", "txnAmt": "100", "reqReserved": payment.reference}

    body = unionpay.refund_notification(**refund)
    Client().post("/notify/unionpay/demo-unionpay/", data=body, content_type=build.FORM)
    drain_notifications()
    assert after(payment) == MoneyState("pending", True, "open", "0.00", ["refund_event"])
    assert fresh(payment).next_query_at is not None

    paid = {"orderId": payment.reference, "txnAmt": str(fen(payment.amount))}
    body = unionpay.notification(charset="utf-8", **paid)
    Client().post("/notify/unionpay/demo-unionpay/", data=body, content_type=build.FORM)
    drain_notifications()
    assert (after(payment).order, after(payment).held, shipped(payment)) == ("paid", True, "held")


def answer(server: HTTPServer, **fields: str) -> PaymentAccount:
    """An account of the webhook form whose queries are answered with these fields."""

    def handle(request: Request) -> Response:
        body = {"reference": request.get_json()["reference"], "provider_reference": "p-1", "amount": "199.00"}
        return Response(json.dumps({**body, **fields}), content_type="application/json")

    server.expect_request("/query", method="POST").respond_with_handler(handle)
    return build.build_webhook(query_url=server.url_for("/query"))


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (
            {"status": "succeeded", "refunded_amount": "50.00"},
            MoneyState("paid", True, "paid", "50.00", ["refund_event"]),
        ),
        ({"status": "succeeded", "refunded_amount": "0.00"}, MoneyState("paid", False, "paid", "0.00", [])),
        ({"status": "refunded"}, MoneyState("refunded", False, "refunded", "199.00", ["refund_event"])),
    ],
)
def test_webhook_query_with_a_sum(server: HTTPServer, fields: dict[str, str], found: MoneyState) -> None:
    payment = build.build_payment(answer(server, **fields))
    poll.query_now(fresh(payment))
    assert after(payment) == found


def test_webhook_refund_is_the_first_message(server: HTTPServer) -> None:
    payment = build.build_payment(answer(server, status="succeeded"))
    number = {"amount": "50.00", "refund_reference": "R1", "provider_reference": "p-1"}

    build.post_webhook(*build.webhook_call(payment, event="refund.succeeded", **number))
    drain_notifications()
    assert after(payment) == MoneyState("pending", True, "open", "0.00", ["refund_event"])

    poll_now(payment)
    assert after(payment) == MoneyState("paid", True, "paid", "0.00", ["refund_event"])
    assert shipped(payment) == "held"


def test_disabled_rule_leaves_the_order_held(server: HTTPServer) -> None:
    """Where the whole sum is gone and the order may not become refunded, it must not ship either."""
    payment = build.build_payment(answer(server, status="refunded"))
    TransitionRule.objects.filter(action="refund").update(is_enabled=False)

    poll.query_now(fresh(payment))

    assert after(payment) == MoneyState("paid", True, "refunded", "199.00", ["refund_event"])


def test_refunded_money_of_a_closed_order(server: HTTPServer) -> None:
    """The order never counted it; nothing of it is left, so that nobody has to decide about it."""
    account = answer(server, status="refunded")
    order = build_order(merchant=account.merchant)
    payment = build.build_payment(account, order=order)
    close(order)

    poll_now(payment, status=PaymentStatus.CLOSED)

    assert after(payment) == MoneyState("closed", False, "refunded", "199.00", ["refund_event"])
    assert fresh(payment).is_surplus


def close(order: Order) -> None:
    request = RequestClose(order.pk, machine.TIMEOUT, SYSTEM)
    outcomes = apply_changes(request, Move(order.pk, Action.CLOSE, machine.TIMEOUT, SYSTEM))
    assert [outcome.result for outcome in outcomes] == ["done", "done"]


def test_rule_refunds_nothing_twice(server: HTTPServer) -> None:
    """A late payment of which an unknown part went back is left to a person, whatever the merchant's rule."""
    payment = build.build_payment(wechat_account(server))
    Merchant.objects.update(late_payments="refund")
    close(payment.order)

    post_wechat(wechatpay.payment_body(**wechat_content(payment, trade_state="REFUND")))
    relay.run_relay()

    assert after(payment) == MoneyState("closed", False, "paid", "0.00", ["order_closed", "refund_event"])
    assert RefundRequest.objects.count() == 0
