"""Everything in which money and order can disagree, from the first fact to its end: each ends, by itself or by a person."""

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
from payments.polling.record import record_answer
from payments.providers.types import TradeResult, TradeState, UpdateKind
from payments.tests.builders import build_alipay, build_payment, build_webhook
from payments.tests.steps import request_close

pytestmark = pytest.mark.django_db


def notice(payment: Payment, **changes: Any) -> PaymentUpdate:
    """A genuine notification that this attempt is paid."""
    values = {
        "account_id": payment.account_id, "kind": UpdateKind.PAYMENT, "reference": payment.reference,
        "evidence": Evidence("notification", "1", "ab"), "seen_at": timezone.now(), "trigger": machine.NOTIFICATION,
        "provider_reference": f"T{payment.pk:06d}", "amount": payment.amount, **changes,
    }  # fmt: skip
    return PaymentUpdate(**values)


def told(*updates: PaymentUpdate) -> list[str]:
    return [verdict.outcome.value for verdict in apply_updates(updates)]


def asked(payment: Payment, state: TradeState, **said: Any) -> None:
    """The provider was asked, and this was its answer."""
    query = StatusQuery(Payment.objects.select_related("account").get(pk=payment.pk), None, close=True)
    number = f"T{payment.pk:06d}"
    record_answer(
        QueryResult(query, answer=TradeResult(state=state, raw=state, provider_reference=number, **said))
    )


def state(payment: Payment) -> tuple[str, str]:
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    return str(fresh.order.status), str(fresh.status)


def open_cases() -> list[str]:
    return list(PaymentException.objects.open().order_by("pk").values_list("kind", flat=True))


def resolve_all(words: str = "done") -> None:
    user = person(f"wang{PaymentException.objects.count()}")
    for case in PaymentException.objects.open():
        desk.resolve(case, user=user, note=words)


def test_another_amount_ends_when_its_money_went_back_at_the_provider() -> None:
    payment = build_payment(build_webhook())
    request_close(payment.order)
    assert told(notice(payment, amount=Decimal("1.00"))) == ["amount_mismatch"]
    assert (state(payment), open_cases()) == (("pending", "open"), ["amount_mismatch"])
    asked(payment, TradeState.PAID, amount=Decimal("1.00"))
    assert (state(payment), open_cases()) == (("pending", "open"), ["amount_mismatch"]), (
        "said twice, one case"
    )
    resolve_all("已在渠道后台退款")
    asked(payment, TradeState.PAID, amount=Decimal("1.00"))
    assert open_cases() == [], "what a person dealt with is not raised anew by asking"
    asked(payment, TradeState.REFUNDED, amount=Decimal("1.00"))
    assert (state(payment), open_cases()) == (("closed", "closed"), []), "the order may close at last"


def test_another_amount_that_was_right_after_all_is_settled_by_two_persons() -> None:
    payment = build_payment(build_webhook(), amount=Decimal("1.00"))
    assert told(notice(payment)) == ["amount_mismatch"]
    case = PaymentException.objects.get()
    wish = wish_for(payment.order, payment.account, case_id=case.pk)
    approve(SETTLEMENT, settle.propose(wish, user=person("li")).pk, user=person("wang"), note="ok")
    assert (Order.objects.get(pk=payment.order_id).status, open_cases()) == ("paid", [])


def test_another_account_never_pays_and_its_own_still_may() -> None:
    payment = build_payment(build_alipay())
    other = build_webhook()
    assert told(notice(payment, account_id=other.pk)) == ["wrong_account"]
    assert (state(payment), open_cases()) == (("pending", "open"), ["wrong_account"])
    resolve_all("配置有误,已改正")
    assert told(notice(payment)) == ["applied"]
    assert (state(payment), open_cases()) == (("paid", "paid"), [])


def test_an_unknown_order_waits_then_is_a_case_and_is_settled_by_hand() -> None:
    account = build_webhook()
    order = build_order(merchant=account.merchant)
    payment = build_payment(account)
    stray = notice(payment, reference="NOT-OURS-0001", provider_reference=NUMBER)
    assert (told(stray), open_cases()) == ([""], [])
    late = notice(
        payment,
        reference="NOT-OURS-0001",
        provider_reference=NUMBER,
        seen_at=timezone.now() - timedelta(minutes=10),
    )
    assert (told(late), open_cases()) == (["unknown_order"], ["unknown_order"])
    wish = wish_for(order, account, case_id=PaymentException.objects.get().pk)
    approve(SETTLEMENT, settle.propose(wish, user=person("li")).pk, user=person("wang"), note="ok")
    assert (Order.objects.get(pk=order.pk).status, open_cases()) == ("paid", [])


@pytest.mark.parametrize("policy", ["ask", "refund"])
def test_a_second_provider_that_was_paid_too_gives_its_money_back(policy: str) -> None:
    account = build_alipay()
    Merchant.objects.update(late_payments=policy)
    order = build_order(merchant=account.merchant)
    first = build_payment(build_webhook(), order=order)
    second = build_payment(account, order=order)
    assert told(notice(first), notice(second)) == ["applied", "already_paid"]
    relay.run_relay()
    if policy == "ask":
        assert not RefundRequest.objects.exists()
        case = PaymentException.objects.get()
        assert case.payment == second
        resolve_by_refund(second)
    request = RefundRequest.objects.get()
    told(
        notice(
            second, kind=UpdateKind.REFUND, refund_reference=request.reference, refunded_total=second.amount
        )
    )
    assert (state(first), state(second)[1], open_cases()) == (("paid", "paid"), "refunded", [])


def resolve_by_refund(payment: Payment) -> None:
    """What the button of the desk does."""
    RefundRequest.objects.create(
        payment=payment, order=payment.order, account=payment.account, reference="R" * 24, amount=payment.amount,
        reason="x", status="ordered", decided_at=timezone.now(),
    )  # fmt: skip


def test_money_after_closing_ends_in_a_refund_or_in_a_revived_order() -> None:
    account = build_alipay()
    payments = [
        build_payment(account, order=build_order_in("closed", merchant=account.merchant)) for _ in range(2)
    ]
    assert told(*map(notice, payments)) == ["order_closed", "order_closed"]
    assert [state(payment) for payment in payments] == [("closed", "paid")] * 2
    assert open_cases() == ["order_closed", "order_closed"]
    assert told(notice(payments[0])) == ["duplicate"], "said again, one case"
    assert len(open_cases()) == 2
    wish = revive.propose(payments[0].pk, user=person("li"), reason="x", stock_confirmed=True)
    approve(REVIVAL, wish.pk, user=person("wang"), note="有货")
    told(notice(payments[1], kind=UpdateKind.REFUND, refunded_total=payments[1].amount))
    assert [state(payment) for payment in payments] == [("paid", "paid"), ("closed", "refunded")]
    assert "order_closed" not in open_cases()


def test_a_held_order_is_paid_and_stays_held() -> None:
    payment = build_payment(build_webhook())
    apply_changes(Hold(payment.order_id, Actor("staff", "wang"), "疑似刷单"))
    assert told(notice(payment)) == ["applied"]
    order = Order.objects.get(pk=payment.order_id)
    assert (order.status, order.held, open_cases()) == ("paid", True, [])
    assert move(order, "ship", machine.WAREHOUSE).code == "held"


def test_a_trade_that_is_finished_later_changes_nothing() -> None:
    payment = build_payment(build_webhook())
    assert told(notice(payment)) == ["applied"]
    seq = Order.objects.get(pk=payment.order_id).history_seq
    finished = notice(payment, seen_at=timezone.now() + timedelta(days=90))
    assert told(finished) == ["duplicate"]
    assert (state(payment), Order.objects.get().history_seq, open_cases()) == (("paid", "paid"), seq, [])


def test_one_trade_for_two_orders_pays_one_and_the_other_waits_for_a_person() -> None:
    account = build_webhook()
    first, second = build_payment(account), build_payment(account)
    assert told(notice(first, provider_reference="SAME0001"), notice(second, provider_reference="SAME0001")) == [
        "applied", "reference_conflict",
    ]  # fmt: skip
    assert (state(first), state(second), open_cases()) == (
        ("paid", "paid"),
        ("pending", "open"),
        ["reference_conflict"],
    )
    resolve_all("属于另一笔订单")
    assert told(notice(second, provider_reference="OWN00001")) == ["applied"]
    assert (state(second), open_cases()) == (("paid", "paid"), [])


def test_money_that_a_switched_off_rule_kept_out_pays_once_it_is_on_again() -> None:
    payment = build_payment(build_webhook())
    rules = TransitionRule.objects.filter(action="pay", trigger=machine.NOTIFICATION)
    rules.update(is_enabled=False)
    assert told(notice(payment)) == ["order_refused"]
    assert (state(payment), open_cases()) == (("pending", "paid"), ["order_refused"])
    rules.update(is_enabled=True)
    resolve_all("规则已打开")
    assert told(notice(payment)) == ["applied"]
    assert (state(payment), open_cases()) == (("paid", "paid"), [])


def test_a_payment_that_its_provider_takes_back_is_a_case_and_no_silence() -> None:
    payment = build_payment(build_webhook())
    assert told(notice(payment), notice(payment, kind=UpdateKind.CLOSED)) == ["applied", "reversed"]
    assert (state(payment), open_cases()) == (("paid", "paid"), ["reversed"])
    resolve_all("拒付,已联系买家")
    assert open_cases() == []


def test_a_provider_that_says_paid_is_never_closed() -> None:
    payment = build_payment(build_webhook())
    request_close(payment.order)
    asked(payment, TradeState.PAID, amount=payment.amount)
    assert (state(payment), open_cases()) == (("paid", "paid"), [])
