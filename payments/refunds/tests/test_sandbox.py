"""Refunds at providers that were written from their side: Alipay, WeChat Pay and UnionPay of the sandbox."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from orders.models import OrderStatus
from payments.models import Payment, PaymentAccount, PaymentException, RefundRequest
from payments.refunds import execute
from payments.refunds.tests.builders import fresh_request, requested_refund, staff
from payments.tests.sandbox_accounts import (
    sandbox_account,
    sandbox_alipay,
    start_sandbox_attempt,
    submit_cashier_form,
)
from payments.tests.steps import fresh, poll_now
from sandbox.tests.running import Running, call

pytestmark = pytest.mark.django_db
ZERO = Decimal("0.00")


def account_of(box: Running, provider: str) -> PaymentAccount:
    return sandbox_alipay(box) if provider == "alipay" else sandbox_account(box, provider)


def paid_at(box: Running, provider: str) -> Payment:
    """An attempt that the buyer has paid there, and that we have settled by asking."""
    payment = start_sandbox_attempt(account_of(box, provider))
    if provider == "unionpay":
        call("GET", box.url + submit_cashier_form(payment))
    address = {} if provider == "unionpay" else {"pay_url": payment.pay_url, "code_url": payment.code_url}
    paid = box.control("pay", reference=payment.reference, **address)
    assert paid.status == 200, paid.text
    settled = poll_now(payment)
    assert settled.status == "paid", settled.last_answer
    return settled


def run_refund(request: RefundRequest) -> RefundRequest:
    PaymentAccount.objects.update(next_call_at=None)
    RefundRequest.objects.update(ordered_at=None)  # the providers' distance is another test's matter
    waiting = RefundRequest.objects.filter(pk=request.pk, next_try_at__isnull=False)
    waiting.update(next_try_at=timezone.now())
    execute.order_refunds()
    return fresh_request(request)


def until_ended(request: RefundRequest) -> RefundRequest:
    """Query it until the provider has ended it, which may take half a second."""
    for _try in range(20):
        now = run_refund(request)
        if now.status not in ("approved", "ordered"):
            return now
        time.sleep(0.1)
    raise AssertionError(f"still {now.status}: {now.last_answer}")


def fault(box: Running, provider: str, name: str, **values: Any) -> None:
    answer = box.control("faults", target=f"{provider}.refund", fault=name, **values)
    assert answer.status == 201, answer.text


def state(request: RefundRequest) -> tuple[str, Decimal, Decimal]:
    now = fresh_request(request)
    return str(now.status), now.payment.refunded_amount, now.order.refunds_pending


def cases() -> list[str]:
    return list(PaymentException.objects.order_by("id").values_list("kind", flat=True))


@pytest.mark.parametrize("provider", ["alipay", "wechatpay", "unionpay"])
def test_part_and_rest_refund_the_order(box: Running, provider: str) -> None:
    payment = paid_at(box, provider)
    part = until_ended(requested_refund(payment, "60.00"))
    assert (state(part), part.order.status) == (("succeeded", Decimal("60.00"), ZERO), "paid")
    rest = until_ended(requested_refund(payment, "139.00"))
    assert state(rest) == ("succeeded", Decimal("199.00"), ZERO)
    assert fresh(payment).order.status == OrderStatus.REFUNDED
    assert (box.trade(payment.reference)["state"], cases()) == ("refunded", [])


@pytest.mark.parametrize("provider", ["alipay", "wechatpay", "unionpay"])
def test_a_lost_answer_refunds_once(box: Running, provider: str) -> None:
    payment = paid_at(box, provider)
    fault(box, provider, "lost_answer")
    request = run_refund(requested_refund(payment, "60.00"))
    done = until_ended(request)
    assert state(done) == ("succeeded", Decimal("60.00"), ZERO)
    assert done.attempts >= 2
    assert (box.trade(payment.reference)["refunded"], cases()) == ("60.00", [])


@pytest.mark.parametrize("provider", ["alipay", "wechatpay"])
def test_processing_refund_stays_reserved(box: Running, provider: str) -> None:
    fault(box, provider, "processing", value=600)
    request = run_refund(requested_refund(paid_at(box, provider), "60.00"))
    request = run_refund(request)
    assert state(request) == ("ordered", ZERO, Decimal("60.00"))
    box.control("settle_refund", refund_reference=request.reference, state="succeeded")
    assert state(until_ended(request)) == ("succeeded", Decimal("60.00"), ZERO)


def test_abnormal_wechat_refund_may_succeed(box: Running) -> None:
    fault(box, "wechatpay", "abnormal", value=0)
    request = until_ended(requested_refund(paid_at(box, "wechatpay"), "60.00"))
    assert (state(request), cases()) == (("abnormal", ZERO, Decimal("60.00")), ["refund_trouble"])
    box.control("settle_refund", refund_reference=request.reference, state="succeeded")
    assert state(run_refund(request)) == ("succeeded", Decimal("60.00"), ZERO)


def test_closed_wechat_refund_fails_and_is_freed(box: Running) -> None:
    fault(box, "wechatpay", "closed", value=0)
    request = until_ended(requested_refund(paid_at(box, "wechatpay"), "60.00"))
    assert (state(request), cases()) == (("failed", ZERO, ZERO), ["refund_trouble"])


def test_refund_in_provider_console_opens_case(box: Running) -> None:
    payment = paid_at(box, "alipay")
    box.control("refund", reference=payment.reference)
    assert poll_now(payment).status == "refunded"
    assert cases() == ["refund_event"]


def gateway_fault(box: Running, name: str, times: int | None = 1) -> None:
    answer = box.control("faults", target="alipay.gateway", fault=name, times=times)
    assert answer.status == 201, answer.text


def test_refusal_in_gbk_ends_the_refund(box: Running) -> None:
    payment = paid_at(box, "alipay")
    gateway_fault(box, "gbk", None)
    fault(box, "alipay", "closed")
    request = run_refund(requested_refund(payment, "60.00"))
    assert (state(request), cases()) == (("failed", ZERO, ZERO), ["refund_trouble"])
    assert request.last_answer == "failed ACQ.SELLER_BALANCE_NOT_ENOUGH 卖家余额不足"
    assert PaymentAccount.objects.get().failures_in_a_row == 0


def test_unreadable_answer_is_queried(box: Running) -> None:
    payment = paid_at(box, "alipay")
    gateway_fault(box, "unreadable")
    request = run_refund(requested_refund(payment, "60.00"))
    assert state(request) == ("ordered", ZERO, Decimal("60.00"))
    assert request.last_answer.startswith("provider_answer_unreadable")
    assert PaymentAccount.objects.get().failures_in_a_row == 0
    assert state(until_ended(request)) == ("succeeded", Decimal("60.00"), ZERO)
    assert (box.trade(payment.reference)["refunded"], cases()) == ("60.00", [])


def test_an_hour_of_unreadable_answers_is_a_case(box: Running) -> None:
    payment = paid_at(box, "alipay")
    gateway_fault(box, "unreadable", None)
    request = run_refund(requested_refund(payment, "60.00"))
    assert cases() == []
    RefundRequest.objects.update(decided_at=timezone.now() - timedelta(hours=1))
    request = run_refund(request)
    assert (state(request)[0], cases()) == ("ordered", ["refund_trouble"])
    assert PaymentAccount.objects.get().failures_in_a_row == 0


def test_reason_in_chinese_reaches_alipay(box: Running) -> None:
    payment = paid_at(box, "alipay")
    request = requested_refund(payment, "60.00", user=staff("agent", refund_alone="60.00"))
    RefundRequest.objects.filter(pk=request.pk).update(reason="买家退货，包装破损")
    assert state(until_ended(fresh_request(request))) == ("succeeded", Decimal("60.00"), ZERO)
