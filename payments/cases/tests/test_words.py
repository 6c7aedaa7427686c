"""What a case page says is so: the right sum, no code, and nothing offered that cannot work any more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders import machine
from orders.history.lines import Evidence
from orders.models import Order, OrderEvent
from orders.tests.builders import build_order_in
from ordersite import relay
from payments.cases import remedies
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.case_details import case_of
from payments.lifecycle.updates import Outcome, PaymentUpdate
from payments.models import Payment, PaymentException, PaymentStatus
from payments.providers.types import UpdateKind
from payments.tests.builders import build_payment, build_webhook

pytestmark = pytest.mark.django_db
Kind = PaymentException.Kind
MOVED_ON = ("paid", "shipped", "completed", "closed", "refunded")
# One value of every kind that a case may keep.
DETAIL = {
    "kind": "refund_abnormal", "amount": "2568.00", "expected_amount": "2568.00", "refund_amount": "50.00",
    "refunded_total": "1050.00", "account_problem": "wrong_app_id", "code": "bad_signature",
    "difference": "missing_here", "statement_line": 7, "last_answer": "not_found",
}  # fmt: skip


def notified(payment: Payment, kind: UpdateKind = UpdateKind.PAYMENT, **changes: Any) -> PaymentUpdate:
    values = {
        "account_id": payment.account_id, "kind": kind, "reference": payment.reference,
        "evidence": Evidence("notification", "1", "ab"), "seen_at": timezone.now(), "trigger": machine.NOTIFICATION,
        "provider_reference": "TRADE1", "amount": payment.amount, **changes,
    }  # fmt: skip
    return PaymentUpdate(**values)


def case_about(status: str, kind: str = Kind.AMOUNT_MISMATCH, **columns: Any) -> PaymentException:
    account = build_webhook(f"shop-{status}-{kind}".replace("_", "-"))
    order = build_order_in(status, merchant=account.merchant)
    return PaymentException.objects.create(
        **{"kind": kind, "dedup_key": f"{status}{kind}", "account": account, "order": order, **columns}
    )


def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def page(case: PaymentException) -> str:
    return root().get(reverse("admin:payments_paymentexception_change", args=[case.pk])).content.decode()


@pytest.mark.parametrize(
    ("reported", "risen", "expected"),
    [
        ({"refund_amount": Decimal("50.00"), "refunded_total": Decimal("80.00")}, "50.00", "50.00"),
        ({"refund_amount": None, "refunded_total": Decimal("80.00")}, "30.00", "30.00"),
        ({"refund_amount": None, "refunded_total": Decimal("80.00")}, "0.00", "80.00"),
        ({"refund_amount": None, "full_refund": True}, "0.00", "199.00"),
    ],
)
def test_refunds_case_names_what_went_back(reported: dict[str, Any], risen: str, expected: str) -> None:
    payment = build_payment(build_webhook())
    update = notified(payment, UpdateKind.REFUND, **reported)

    case = case_of(update, payment, Outcome.REFUND_EVENT, risen=Decimal(risen))

    assert case.amount == Decimal(expected)


def test_reversal_names_the_payments_sum() -> None:
    payment = build_payment(build_webhook())

    case = case_of(notified(payment, UpdateKind.CLOSED, amount=None), payment, Outcome.REVERSED)

    assert case.amount == Decimal("199.00")


def test_refund_that_nobody_asked_for_is_shown_with_its_sum() -> None:
    payment = build_payment(build_webhook())
    apply_updates([notified(payment)])

    apply_updates(
        [notified(payment, UpdateKind.REFUND, refund_amount=Decimal("50.00"), refund_reference="R1")]
    )

    case = PaymentException.objects.get(kind=Kind.REFUND_EVENT)
    assert case.amount == Decimal("50.00")
    assert "本次退款金额" in page(case)


@pytest.mark.parametrize("kind", Kind.values)
def test_page_of_a_case_shows_no_code(kind: str) -> None:
    shown = page(case_about("pending", kind, detail=DETAIL))

    codes = [value for value in DETAIL.values() if isinstance(value, str) and "_" in value]
    assert len(codes) == 5
    assert [code for code in codes if code in shown.replace("（app_id）", "")] == []
    assert ["2568.00" in shown, "¥2,568.00" in shown, "¥1,050.00" in shown] == [False, True, True]
    assert (">支付金额<" in shown, ">到账金额<" in shown) == (True, False)


def test_every_detail_that_is_kept_has_a_label() -> None:
    payment = build_payment(build_webhook(), provider_reference="T0")
    update = notified(
        payment, UpdateKind.REFUND, refund_amount=Decimal("1.00"), refunded_total=Decimal("2.00"),
        refund_reference="R1", account_problem="wrong_mchid", detail="PROCESSING",
    )  # fmt: skip
    kept = case_of(update, payment, Outcome.WRONG_ACCOUNT).detail

    shown = page(case_about("pending", detail={name: str(value) for name, value in kept.items()}))

    assert len(kept) == 13
    assert [name for name in kept if f">{name}<" in shown] == []


@pytest.mark.parametrize("status", MOVED_ON)
@pytest.mark.parametrize("kind", [Kind.AMOUNT_MISMATCH, Kind.WRONG_ACCOUNT, Kind.PROVIDER_SILENT])
def test_order_that_moved_on_is_offered_no_settlement(kind: str, status: str) -> None:
    case = case_about(status, kind)

    shown = page(case)

    assert (remedies.can_settle(case), "settlementrequest/add/" in shown) == (False, False)
    assert "申请补单。" not in shown
    words = {"closed": "订单已关闭", "refunded": "订单已全额退款"}
    assert words.get(status, "订单已支付，不再需要补单") in shown


def test_pending_order_is_offered_a_settlement() -> None:
    case = case_about("pending")

    assert (remedies.can_settle(case), "settlementrequest/add/" in page(case)) == (True, True)


@pytest.mark.parametrize("status", MOVED_ON)
def test_form_does_not_open_for_an_order_that_moved_on(status: str) -> None:
    order = build_order_in(status)

    answer = root().get(reverse("admin:payments_settlementrequest_add"), {"order": order.number})

    assert ("form" in answer.context, "通过后订单才变为已支付" in answer.content.decode()) == (False, False)
    assert f"订单 {order.number} 已" in answer.content.decode()


def test_books_that_a_statement_lacks_keep_their_advice() -> None:
    case = case_about("paid", Kind.STATEMENT_DIFFERENCE, detail={"difference": "missing_there"})

    assert remedies.what_to_do(case) == remedies.WHAT_TO_DO[Kind.STATEMENT_DIFFERENCE]


# --- cases that heal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"amount": Decimal("1.00")}, {"account_problem": "wrong_app_id"}], ids=["amount", "account"]
)
def test_same_trade_with_the_right_facts_resolves_it(wrong: dict[str, Any]) -> None:
    payment = build_payment(build_webhook())
    apply_updates([notified(payment, **wrong)])
    before = PaymentException.objects.open().count()

    apply_updates([notified(payment)])
    relay.run_relay()

    case = PaymentException.objects.get()
    assert (before, case.is_open, case.resolved_by) == (1, False, None)
    assert Order.objects.get().status == "paid"
    line = OrderEvent.objects.get(trigger="case_resolved")
    assert (line.actor_kind, line.evidence.count(str(case.pk)) > 0) == ("system", True)
    assert "同一笔交易已按正确的金额和账户付清订单" in page(case)


def test_money_of_another_trade_stays_a_persons_matter() -> None:
    payment = build_payment(build_webhook())
    apply_updates([notified(payment, amount=Decimal("1.00"), provider_reference="TRADE0")])

    apply_updates([notified(payment)])
    relay.run_relay()

    case = PaymentException.objects.get()
    assert (case.is_open, Order.objects.get().status) == (True, "paid")
    assert "核对后可关闭" in page(case)


def test_refund_of_another_amount_is_not_healed_by_payment() -> None:
    payment = build_payment(build_webhook(), status=PaymentStatus.PAID, provider_reference="TRADE1")
    detail = {"kind": "refund", "provider_reference": "TRADE1"}
    case_about("paid", payment=payment, detail=detail)

    relay.run_relay()

    assert PaymentException.objects.open().count() == 1


def test_answer_resolves_the_silence() -> None:
    payment = build_payment(build_webhook())
    PaymentException.objects.create(
        kind=Kind.PROVIDER_SILENT,
        dedup_key="x",
        account=payment.account,
        order=payment.order,
        payment=payment,
    )

    apply_updates([notified(payment)])
    relay.run_relay()

    assert PaymentException.objects.get().resolution == "the provider has answered"
