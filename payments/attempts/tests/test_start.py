"""Attempts to collect money, against a provider over real HTTP: the sandbox."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from orders import machine
from orders.changes import RequestClose
from orders.history.lines import SYSTEM
from orders.models import Order, OrderStatus
from orders.tests.builders import apply_changes, build_merchant, build_order, build_order_in
from ordersite.lib.china_time import read_beijing
from ordersite.lib.errors import DomainError
from payments.attempts.start import new_reference, start_attempt
from payments.models import Payment, PaymentStatus
from payments.tests.builders import build_webhook
from payments.tests.sandbox_accounts import (
    open_cashier,
    pay_in_sandbox,
    sandbox_alipay,
    sandbox_webhook,
    start_sandbox_attempt,
)
from payments.tests.steps import api_client, fresh, run_together, start_body
from sandbox.tests.nobody import nobody
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def test_reference_fits_every_provider() -> None:
    references = {new_reference() for _try in range(200)}
    assert len(references) == 200
    assert all(
        len(one) == 24 and one.isascii() and one.isalnum() and one == one.upper() for one in references
    )


def test_api_answers_201_with_a_working_page(box: Running) -> None:
    order, account = build_order(total="266.40"), sandbox_alipay(box)
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    payment = Payment.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "reference": payment.reference,
        "amount": "266.40",
        "provider": "alipay",
        "status": "open",
        "pay_url": payment.pay_url,
    }
    pay_in_sandbox(box, payment)
    assert box.trade(payment.reference)["state"] == "paid"


def test_provider_expiry_is_the_order_close_time(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    assert payment.expires_at == payment.order.close_due_at
    content = parse_qs(urlsplit(payment.pay_url).query)["biz_content"][0]
    assert f'"out_trade_no":"{payment.reference}"' in content
    expiry = read_beijing(content.partition('"time_expire":"')[2][:19])
    assert expiry == payment.order.close_due_at.replace(microsecond=0)


def test_attempt_is_noted_on_the_order(box: Running) -> None:
    payment = start_sandbox_attempt(sandbox_alipay(box))
    assert Order.objects.get(pk=payment.order_id).payment_started_at == payment.created_at
    assert payment.next_query_at == payment.created_at + timedelta(minutes=1)


def test_open_attempt_is_answered_again_with_200(box: Running) -> None:
    order, account = build_order(), sandbox_webhook(box)
    client, path = api_client(), f"/api/v1/orders/{order.number}/payments/"
    first = client.post(path, start_body(account), content_type="application/json")
    second = client.post(path, start_body(account), content_type="application/json")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Payment.objects.count() == 1


def test_account_without_pay_call_has_no_address() -> None:
    order, account = build_order(), build_webhook()
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    payment = Payment.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "reference": payment.reference, "amount": "199.00", "provider": "webhook", "status": "open",
    }  # fmt: skip
    assert payment.next_query_at is None


@pytest.mark.parametrize("fault", ["status_500", "drop"])
def test_silent_provider_is_502_attempt_stored(box: Running, fault: str) -> None:
    order, account = build_order(), sandbox_webhook(box)
    box.control("faults", target="webhook.gateway", fault=fault)
    client, path = api_client(), f"/api/v1/orders/{order.number}/payments/"
    answer = client.post(path, start_body(account), content_type="application/json")
    payment = Payment.objects.get()
    assert answer.status_code == 502
    assert answer.json()["code"] == "provider_unavailable"
    assert answer.json()["details"] == {"reference": payment.reference}
    assert payment.status == PaymentStatus.CREATED
    assert payment.next_query_at == payment.created_at + timedelta(minutes=1)

    again = client.post(path, start_body(account), content_type="application/json")
    assert again.status_code == 200
    assert again.json()["reference"] == payment.reference
    assert again.json()["pay_url"].startswith(box.url)


def test_unreachable_provider_is_502() -> None:
    account = build_webhook(pay_url=f"{nobody()}/pay", query_url=f"{nobody()}/query")
    order = build_order()
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    assert answer.status_code == 502
    assert answer.json()["details"] == {"reference": Payment.objects.get().reference}


def test_attempt_paid_after_a_lost_start(box: Running) -> None:
    """The address reached the buyer by another way; starting again asks before it tries again."""
    payment = start_sandbox_attempt(sandbox_webhook(box))
    pay_in_sandbox(box, payment)
    Payment.objects.all().delete()
    Payment(
        order=payment.order, account=payment.account, reference=payment.reference, amount=payment.amount,
        created_at=payment.created_at, expires_at=payment.expires_at,
    ).save()  # fmt: skip
    with pytest.raises(DomainError, match="order_not_payable"):
        start_attempt(payment.order, payment.account)
    assert Payment.objects.get().status == PaymentStatus.PAID
    assert Order.objects.get(pk=payment.order_id).status == OrderStatus.PAID


@pytest.mark.parametrize("status", ["paid", "shipped", "completed", "closed", "refunded"])
def test_order_not_pending_is_refused(box: Running, status: str) -> None:
    order, account = build_order_in(status), sandbox_alipay(box)
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_payable")
    assert Payment.objects.count() == 0


def test_closing_order_takes_no_payment(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    apply_changes(RequestClose(first.order_id, machine.TIMEOUT, SYSTEM))
    with pytest.raises(DomainError, match="order_not_payable"):
        start_attempt(first.order, sandbox_webhook(box))
    assert Payment.objects.count() == 1


def test_overdue_order_takes_no_payment(box: Running) -> None:
    order = build_order(due_in=timedelta(seconds=-1))
    with pytest.raises(DomainError, match="order_not_payable"):
        start_attempt(order, sandbox_alipay(box))
    assert Payment.objects.count() == 0
    assert Order.objects.get().payment_started_at is None


def test_other_shops_order_is_not_found(box: Running) -> None:
    other = build_merchant("other")
    order, foreign_order = build_order(), build_order(merchant=other)
    account, foreign_account = sandbox_alipay(box), sandbox_webhook(box, "other-webhook", merchant=other)
    client = api_client()
    table = [
        (foreign_order.number, start_body(account), 404, "unknown_order"),
        (order.number, start_body(foreign_account), 404, "unknown_account"),
        (order.number, {"provider": "webhook", "account": account.slug}, 404, "unknown_account"),
        (order.number, {"provider": "paypal", "account": account.slug}, 400, "invalid"),
        (order.number, {"provider": "alipay"}, 400, "invalid"),
        (order.number, {**start_body(account), "amount": "0.01"}, 400, "invalid"),
    ]
    for number, body, status, code in table:
        answer = client.post(f"/api/v1/orders/{number}/payments/", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert Payment.objects.count() == 0


def test_disabled_account_takes_no_new_payment(box: Running) -> None:
    order, account = build_order(), sandbox_alipay(box)
    type(account).objects.update(is_active=False)
    answer = api_client().post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "account_disabled")
    assert Payment.objects.count() == 0


def test_token_without_the_scope_is_refused(box: Running) -> None:
    order, account = build_order(), sandbox_alipay(box)
    answer = api_client(None, "orders:read").post(
        f"/api/v1/orders/{order.number}/payments/", start_body(account), content_type="application/json"
    )
    assert answer.status_code == 403
    assert Payment.objects.count() == 0


def test_other_providers_attempt_is_closed_first(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    open_cashier(box, first)
    second = start_attempt(first.order, sandbox_webhook(box))
    assert second.is_new
    assert box.trade(first.reference)["state"] == "closed"
    assert fresh(first).status == PaymentStatus.CLOSED
    assert second.payment.status == PaymentStatus.OPEN


def test_attempt_unknown_there_is_left_to_poll(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    second = start_attempt(first.order, sandbox_webhook(box))
    assert second.payment.status == PaymentStatus.OPEN
    left = fresh(first)
    assert left.status == PaymentStatus.OPEN
    assert left.close_wanted_at is not None
    assert left.next_query_at == left.close_wanted_at + timedelta(minutes=1)


def test_other_providers_attempt_is_found_paid(box: Running) -> None:
    first = start_sandbox_attempt(sandbox_alipay(box))
    pay_in_sandbox(box, first)
    with pytest.raises(DomainError, match="order_not_payable"):
        start_attempt(first.order, sandbox_webhook(box))
    assert fresh(first).status == PaymentStatus.PAID
    assert Order.objects.get().status == OrderStatus.PAID
    assert Payment.objects.count() == 1


def test_silent_provider_blocks_no_other(box: Running) -> None:
    """The first stays to be closed: money that comes there all the same is a surplus."""
    first = start_sandbox_attempt(sandbox_alipay(box))
    box.control("faults", target="alipay.gateway", fault="status_500", times=None)
    second = start_attempt(first.order, sandbox_webhook(box))
    assert (second.is_new, second.payment.status) == (True, PaymentStatus.OPEN)
    left = fresh(first)
    assert left.status == PaymentStatus.OPEN
    assert left.close_wanted_at is not None
    assert left.next_query_at == left.close_wanted_at + timedelta(minutes=1)


def test_back_at_the_first_provider_reopens(box: Running) -> None:
    alipay, webhook = sandbox_alipay(box), sandbox_webhook(box)
    first = start_sandbox_attempt(alipay)
    second = start_attempt(first.order, webhook).payment
    again = start_attempt(first.order, alipay)
    assert (again.payment.pk, again.is_new) == (first.pk, False)
    assert fresh(first).close_wanted_at is None
    assert fresh(second).status == PaymentStatus.CLOSED


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_attempt(box: Running) -> None:
    order, account = build_order(), sandbox_webhook(box)
    outcomes = run_together(*[lambda: start_attempt(order, account).payment.reference] * 4)
    assert len(set(outcomes)) == 1
    assert Payment.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_providers_at_once_leave_one_open(box: Running) -> None:
    order, accounts = build_order(), [sandbox_webhook(box), sandbox_webhook(box, "second-webhook")]
    run_together(*[partial(start_attempt, order, account) for account in accounts])
    wanted = Payment.objects.filter(status=PaymentStatus.OPEN, close_wanted_at__isnull=True)
    assert wanted.count() == 1
