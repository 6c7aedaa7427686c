"""All ways in which money and order can disagree, from the first update to the end, automatic or by a person."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from orders import machine
from orders.approvals.workflow import approve
from orders.changes import Hold
from orders.history.lines import Actor, Evidence
from orders.models import Merchant, Order, TransitionRule
from orders.tests.builders import apply_changes, build_order, build_order_in, move
from ordersite import relay
from payments.cases import desk
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.manual import revive, settle
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.manual.tests.proposals import NUMBER, person, wish_for
from payments.models import Payment, PaymentException, RefundRequest
from payments.polling.call import QueryResult, StatusQuery
from payments.polling.record import record_result
from payments.providers.types import TradeResult, TradeState, UpdateKind
from payments.tests.builders import build_alipay, build_payment, build_webhook
from payments.tests.steps import request_close

pytestmark = pytest.mark.django_db


def paid(payment: Payment, **changes: Any) -> PaymentUpdate:
    """A genuine notification that this attempt is paid."""
    values = {
        "account_id": payment.account_id, "kind": UpdateKind.PAYMENT, "reference": payment.reference,
        "evidence": Evidence("notification", "1", "ab"), "seen_at": timezone.now(), "trigger": machine.NOTIFICATION,
        "provider_reference": f"T{payment.pk:06d}", "amount": payment.amount, **changes,
    }  # fmt: skip
    return PaymentUpdate(**values)


def apply(*updates: PaymentUpdate) -> list[str]:
    return [result.outcome.value for result in apply_updates(updates)]


def record_state(payment: Payment, state: TradeState, **fields: Any) -> None:
    """Record that the provider was queried and answered this."""
    query = StatusQuery(Payment.objects.select_related("account").get(pk=payment.pk), None, close=True)
    number = f"T{payment.pk:06d}"
    record_result(
        QueryResult(query, answer=TradeResult(state=state, raw=state, provider_reference=number, **fields))
    )


def state(payment: Payment) -> tuple[str, str]:
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    return str(fresh.order.status), str(fresh.status)


def open_cases() -> list[str]:
    return list(PaymentException.objects.open().order_by("pk").values_list("kind", flat=True))


def resolve_all(note: str = "done") -> None:
    user = person(f"wang{PaymentException.objects.count()}")
    for case in PaymentException.objects.open():
        desk.resolve(case, user=user, note=note)


def test_other_amount_refunded_at_the_provider() -> None:
    payment = build_payment(build_webhook())
    request_close(payment.order)
    assert apply(paid(payment, amount=Decimal("1.00"))) == ["amount_mismatch"]
    assert (state(payment), open_cases()) == (("pending", "open"), ["amount_mismatch"])
    record_state(payment, TradeState.PAID, amount=Decimal("1.00"))
    assert (state(payment), open_cases()) == (("pending", "open"), ["amount_mismatch"]), (
        "reported twice, one case"
    )
    resolve_all("已在渠道后台退款")
    record_state(payment, TradeState.PAID, amount=Decimal("1.00"))
    assert open_cases() == [], "a resolved case is not opened again by a query"
    record_state(payment, TradeState.REFUNDED, amount=Decimal("1.00"))
    assert (state(payment), open_cases()) == (("closed", "closed"), []), "the order may close at last"


def test_other_amount_settled_by_two_persons() -> None:
    payment = build_payment(build_webhook(), amount=Decimal("1.00"))
    assert apply(paid(payment)) == ["amount_mismatch"]
    case = PaymentException.objects.get()
    wish = wish_for(payment.order, payment.account, case_id=case.pk)
    approve(SETTLEMENT, settle.propose(wish, user=person("li")).pk, user=person("wang"), note="ok")
    assert (Order.objects.get(pk=payment.order_id).status, open_cases()) == ("paid", [])


def test_other_account_never_pays() -> None:
    payment = build_payment(build_alipay())
    other = build_webhook()
    assert apply(paid(payment, account_id=other.pk)) == ["wrong_account"]
    assert (state(payment), open_cases()) == (("pending", "open"), ["wrong_account"])
    resolve_all("配置有误,已改正")
    assert apply(paid(payment)) == ["applied"]
    assert (state(payment), open_cases()) == (("paid", "paid"), [])


def test_unknown_order_is_settled_manually() -> None:
    account = build_webhook()
    order = build_order(merchant=account.merchant)
    payment = build_payment(account)
    stray = paid(payment, reference="NOT-OURS-0001", provider_reference=NUMBER)
    assert (apply(stray), open_cases()) == ([""], [])
    late = paid(
        payment,
        reference="NOT-OURS-0001",
        provider_reference=NUMBER,
        seen_at=timezone.now() - timedelta(minutes=10),
    )
    assert (apply(late), open_cases()) == (["unknown_order"], ["unknown_order"])
    wish = wish_for(order, account, case_id=PaymentException.objects.get().pk)
    approve(SETTLEMENT, settle.propose(wish, user=person("li")).pk, user=person("wang"), note="ok")
    assert (Order.objects.get(pk=order.pk).status, open_cases()) == ("paid", [])


@pytest.mark.parametrize("policy", ["ask", "refund"])
def test_second_payment_is_refunded(policy: str) -> None:
    account = build_alipay()
    Merchant.objects.update(late_payments=policy)
    order = build_order(merchant=account.merchant)
    first = build_payment(build_webhook(), order=order)
    second = build_payment(account, order=order)
    assert apply(paid(first), paid(second)) == ["applied", "already_paid"]
    relay.run_relay()
    if policy == "ask":
        assert not RefundRequest.objects.exists()
        case = PaymentException.objects.get()
        assert case.payment == second
        resolve_by_refund(second)
    request = RefundRequest.objects.get()
    apply(
        paid(second, kind=UpdateKind.REFUND, refund_reference=request.reference, refunded_total=second.amount)
    )
    assert (state(first), state(second)[1], open_cases()) == (("paid", "paid"), "refunded", [])


def resolve_by_refund(payment: Payment) -> None:
    """What the button of the desk does."""
    RefundRequest.objects.create(
        payment=payment, order=payment.order, account=payment.account, reference="R" * 24, amount=payment.amount,
        reason="x", status="ordered", decided_at=timezone.now(),
    )  # fmt: skip


def test_late_payment_is_refunded_or_revives() -> None:
    account = build_alipay()
    payments = [
        build_payment(account, order=build_order_in("closed", merchant=account.merchant)) for _ in range(2)
    ]
    assert apply(*map(paid, payments)) == ["order_closed", "order_closed"]
    assert [state(payment) for payment in payments] == [("closed", "paid")] * 2
    assert open_cases() == ["order_closed", "order_closed"]
    assert apply(paid(payments[0])) == ["duplicate"], "reported again, one case"
    assert len(open_cases()) == 2
    wish = revive.propose(payments[0].pk, user=person("li"), reason="x", stock_confirmed=True)
    approve(REVIVAL, wish.pk, user=person("wang"), note="有货")
    apply(paid(payments[1], kind=UpdateKind.REFUND, refunded_total=payments[1].amount))
    assert [state(payment) for payment in payments] == [("paid", "paid"), ("closed", "refunded")]
    assert "order_closed" not in open_cases()


def test_held_order_is_paid_and_stays_held() -> None:
    payment = build_payment(build_webhook())
    apply_changes(Hold(payment.order_id, Actor("staff", "wang"), "疑似刷单"))
    assert apply(paid(payment)) == ["applied"]
    order = Order.objects.get(pk=payment.order_id)
    assert (order.status, order.held, open_cases()) == ("paid", True, [])
    assert move(order, "ship", machine.WAREHOUSE).code == "held"


def test_finished_trade_changes_nothing() -> None:
    payment = build_payment(build_webhook())
    assert apply(paid(payment)) == ["applied"]
    seq = Order.objects.get(pk=payment.order_id).history_seq
    finished = paid(payment, seen_at=timezone.now() + timedelta(days=90))
    assert apply(finished) == ["duplicate"]
    assert (state(payment), Order.objects.get().history_seq, open_cases()) == (("paid", "paid"), seq, [])


def test_one_trade_pays_one_of_two_orders() -> None:
    account = build_webhook()
    first, second = build_payment(account), build_payment(account)
    assert apply(paid(first, provider_reference="SAME0001"), paid(second, provider_reference="SAME0001")) == [
        "applied", "reference_conflict",
    ]  # fmt: skip
    assert (state(first), state(second), open_cases()) == (
        ("paid", "paid"),
        ("pending", "open"),
        ["reference_conflict"],
    )
    resolve_all("属于另一笔订单")
    assert apply(paid(second, provider_reference="OWN00001")) == ["applied"]
    assert (state(second), open_cases()) == (("paid", "paid"), [])


def test_rule_enabled_again_pays_the_order() -> None:
    payment = build_payment(build_webhook())
    rules = TransitionRule.objects.filter(action="pay", trigger=machine.NOTIFICATION)
    rules.update(is_enabled=False)
    assert apply(paid(payment)) == ["order_refused"]
    assert (state(payment), open_cases()) == (("pending", "paid"), ["order_refused"])
    rules.update(is_enabled=True)
    resolve_all("规则已打开")
    assert apply(paid(payment)) == ["applied"]
    assert (state(payment), open_cases()) == (("paid", "paid"), [])


def test_reversed_payment_opens_a_case() -> None:
    payment = build_payment(build_webhook())
    assert apply(paid(payment), paid(payment, kind=UpdateKind.CLOSED)) == ["applied", "reversed"]
    assert (state(payment), open_cases()) == (("paid", "paid"), ["reversed"])
    resolve_all("拒付,已联系买家")
    assert open_cases() == []


def test_paid_trade_is_never_closed() -> None:
    payment = build_payment(build_webhook())
    request_close(payment.order)
    record_state(payment, TradeState.PAID, amount=payment.amount)
    assert (state(payment), open_cases()) == (("paid", "paid"), [])
