"""Manual settlement: proposed with evidence, decided by a second person, done through the payment door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orders.approvals.workflow import approve, refuse
from orders.models import Merchant, MoneyLimit, Order, OrderEvent, OrderEventText
from orders.tests.builders import build_merchant, build_order, build_order_in
from ordersite.lib.errors import DomainError
from ordersite.queue.models import OutboxEntry
from payments.manual import settle
from payments.manual.settle import SETTLEMENT
from payments.manual.tests.proposals import (
    NUMBER,
    PDF,
    deciding_at_once,
    lines_of,
    looking_at_once,
    person,
    receipt,
    unpaid,
    wish_for,
)
from payments.models import (
    Payment,
    PaymentException,
    PaymentExceptionStep,
    SettlementRequest,
    Statement,
    StatementLine,
)
from payments.tests import builders as build
from payments.tests.steps import run_together

AT = datetime(2026, 11, 22, 6, 2, 9, tzinfo=UTC)
Action = MoneyLimit.LimitedAction
pytestmark = pytest.mark.django_db


def world(order: Order) -> tuple[Any, ...]:
    """Everything that a refusal must leave as it is."""
    fresh = Order.objects.get(pk=order.pk)
    attempts = list(Payment.objects.filter(order=order).values_list("status", "provider_reference"))
    requests = list(
        SettlementRequest.objects.filter(order=order).values_list("status", "decided_by", "payment")
    )
    entries = OutboxEntry.objects.count()
    return fresh.status, fresh.history_seq, fresh.history_hash, attempts, requests, entries


def refused(order: Order, call: Callable[[], Any]) -> str:
    """The code of a refusal that changed nothing."""
    before = world(order)
    with pytest.raises(DomainError) as caught:
        call()
    assert world(order) == before
    return caught.value.code


def proposed(user: User | None = None) -> SettlementRequest:
    order, account = unpaid()
    return settle.propose(wish_for(order, account), user=user or person("li"))


def line_for(order: Order, account: Any, **changes: Any) -> StatementLine:
    statement = Statement.objects.create(
        account=account, file_name="bank.csv", sha256="ab", size=1, source="upload"
    )
    columns = {
        "statement": statement, "account": account, "number": 1, "kind": "payment", "provider_reference": NUMBER,
        "amount": order.total_amount, "identity": "0" * 32, "result": "missing_here", "occurred_at": AT, **changes,
    }  # fmt: skip
    return StatementLine.objects.create(**columns)


def test_order_stays_unpaid_until_approval() -> None:
    order, account = unpaid()
    request = settle.propose(wish_for(order, account), user=person("li"))
    assert (request.status, Order.objects.get(pk=order.pk).status) == ("proposed", "pending")
    assert lines_of(order) == [("settlement_proposed", "li")]
    assert not Payment.objects.exists()
    file = request.files.get()
    assert (file.file_name, file.size, file.sha256) == ("回单.pdf", len(PDF), hashlib.sha256(PDF).hexdigest())


def test_approval_creates_and_pays_an_attempt() -> None:
    order, account = unpaid()
    request = settle.propose(wish_for(order, account, occurred_at=AT), user=person("li"))
    approve(SETTLEMENT, request.pk, user=person("wang"), note="回单已核对")
    payment = Payment.objects.get()
    fresh = Order.objects.get(pk=order.pk)
    assert (payment.status, payment.provider_reference, payment.amount) == (
        "paid",
        NUMBER,
        order.total_amount,
    )
    assert (fresh.status, fresh.paid_at) == ("paid", AT)
    assert lines_of(order) == [
        ("settlement_proposed", "li"),
        ("settlement_approved", "wang"),
        ("manual", "wang"),
    ]
    request = SettlementRequest.objects.get()
    assert (request.status, request.payment, request.decision_note) == ("approved", payment, "回单已核对")
    assert (request.decided_by.get_username(), request.is_single_operator) == ("wang", False)  # type: ignore[union-attr]
    assert OutboxEntry.objects.filter(name="order.paid").count() == 1


def test_evidence_is_digest_of_the_request() -> None:
    request = proposed()
    approve(SETTLEMENT, request.pk, user=person("wang"), note="ok")
    evidence = [
        json.loads(line.evidence) for line in OrderEvent.objects.filter(order=request.order, seq__gt=1)
    ]
    content = {
        "account": "demo-webhook", "amount": "199.00", "files": [hashlib.sha256(PDF).hexdigest()], "id": request.pk,
        "occurred_at": "", "order": request.order.number, "proposed_at": request.proposed_at.isoformat(),
        "proposer": "li", "provider_reference": NUMBER, "reason": "银行转账", "statement_line": 0,
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = {
        "kind": "settlement_request", "id": str(request.pk), "sha256": hashlib.sha256(text.encode()).hexdigest()
    }  # fmt: skip
    assert evidence == [expected] * 3


@pytest.mark.parametrize("status", ["created", "open", "closed"])
def test_matching_attempt_becomes_paid(status: str) -> None:
    order, account = unpaid()
    attempt = build.build_payment(account, order=order, status=status)
    request = settle.propose(wish_for(order, account), user=person("li"))
    approve(SETTLEMENT, request.pk, user=person("wang"), note="ok")
    paid = Payment.objects.get()
    assert (paid.pk, paid.status, paid.provider_reference) == (attempt.pk, "paid", NUMBER)


def test_attempt_of_another_account_is_not_used() -> None:
    order, account = unpaid()
    other = build.build_payment(build.build_alipay(merchant=account.merchant), order=order)
    request = settle.propose(wish_for(order, account), user=person("li"))
    approve(SETTLEMENT, request.pk, user=person("wang"), note="ok")
    assert Payment.objects.get(pk=other.pk).status == "open"
    assert Payment.objects.exclude(pk=other.pk).get().status == "paid"


def test_a_statement_line_alone_is_evidence() -> None:
    order, account = unpaid()
    line = line_for(order, account)
    wish = wish_for(order, account, files=[], statement_line_id=line.pk)
    request = settle.propose(wish, user=person("li"))
    approve(SETTLEMENT, request.pk, user=person("wang"), note="ok")
    assert (request.statement_line, Order.objects.get(pk=order.pk).status) == (line, "paid")


@pytest.mark.parametrize(
    "changes", [{"amount": Decimal("1.00")}, {"provider_reference": "OTHER001"}, {"kind": "refund"}]
)
def test_mismatched_statement_line_is_refused(changes: dict[str, Any]) -> None:
    order, account = unpaid()
    line = line_for(order, account, **changes)
    wish = wish_for(order, account, statement_line_id=line.pk)
    user = person("li")
    assert refused(order, lambda: settle.propose(wish, user=user)) == "line_does_not_fit"


def without_evidence(**changes: Any) -> dict[str, Any]:
    return {"files": [], **changes}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": "  "}, "reason_missing"),
        ({"provider_reference": "a b"}, "reference_malformed"),
        ({"provider_reference": ""}, "reference_malformed"),
        ({"files": []}, "evidence_missing"),
        ({"amount": Decimal("198.99")}, "amount_is_not_the_order"),
        ({"files": [receipt(b"MZ\x00")]}, "file_kind_refused"),
        ({"files": [receipt(b"")]}, "file_empty"),
    ],
)
def test_unproven_proposal_is_refused(changes: dict[str, Any], code: str, settings: Any) -> None:
    order, account = unpaid()
    user = person("li")
    assert refused(order, lambda: settle.propose(wish_for(order, account, **changes), user=user)) == code
    folder = Path(settings.PRIVATE_DIR)
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("closed", "order_is_closed"),
        ("paid", "already_paid"),
        ("shipped", "already_paid"),
        ("refunded", "already_paid"),
    ],
)
def test_only_a_pending_order_is_settled_by_hand(status: str, code: str, settings: Any) -> None:
    account = build.build_webhook()
    order = build_order_in(status, merchant=account.merchant)
    user = person("li")
    assert refused(order, lambda: settle.propose(wish_for(order, account), user=user)) == code
    assert not list(Path(settings.PRIVATE_DIR).iterdir())


def test_account_of_another_shop_is_refused() -> None:
    order = build_order(merchant=build_merchant("other"))
    account = build.build_webhook()
    user = person("li")
    assert (
        refused(order, lambda: settle.propose(wish_for(order, account), user=user))
        == "account_of_another_shop"
    )


def test_an_order_has_one_live_request() -> None:
    request = proposed()
    wish = wish_for(request.order, request.account, provider_reference="BANK20261122000002")
    user = person("zhao")
    assert refused(request.order, lambda: settle.propose(wish, user=user)) == "proposal_waiting"


def test_number_paid_to_another_order_is_refused() -> None:
    order, account = unpaid()
    build.build_payment(account, status="paid", provider_reference=NUMBER)
    user = person("li")
    assert refused(order, lambda: settle.propose(wish_for(order, account), user=user)) == "reference_taken"


@pytest.mark.parametrize("decided", [False, True])
def test_number_in_another_request_is_refused(decided: bool) -> None:
    request = proposed()
    if decided:
        approve(SETTLEMENT, request.pk, user=person("wang"), note="ok")
    order, account = unpaid(request.account)
    user = person("zhao")
    assert refused(order, lambda: settle.propose(wish_for(order, account), user=user)) == "reference_taken"


def test_database_keeps_number_unique() -> None:
    request = proposed()
    order, account = unpaid(request.account)
    with pytest.raises(IntegrityError), transaction.atomic():
        SettlementRequest.objects.create(
            order=order, account=account, amount=request.amount, provider_reference=NUMBER, reason="x",
            proposer=request.proposer,
        )  # fmt: skip


def test_a_number_is_free_again_after_a_refusal() -> None:
    request = proposed()
    refuse(SETTLEMENT, request.pk, user=person("wang"), note="看不清")
    assert Order.objects.get(pk=request.order_id).status == "pending"
    assert lines_of(request.order) == [("settlement_proposed", "li"), ("settlement_refused", "wang")]
    again = settle.propose(wish_for(request.order, request.account), user=person("zhao"))
    assert again.status == "proposed"


def test_database_refuses_proposer_as_approver() -> None:
    request = proposed()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_settlementrequest SET status = 'approved', decided_by_id = proposer_id WHERE id = %s",
            [request.pk],
        )


@pytest.mark.parametrize("role", ["viewer", "agent", "operations", "auditor"])
def test_person_without_right_cannot_approve(role: str) -> None:
    request = proposed()
    other = person("other", role)
    for call in (approve, refuse):
        code = refused(request.order, lambda call=call: call(SETTLEMENT, request.pk, user=other, note="ok"))  # type: ignore[misc]
        assert code == "not_allowed"


@pytest.mark.parametrize("role", ["viewer", "operations", "auditor"])
def test_person_without_right_cannot_propose(role: str) -> None:
    order, account = unpaid()
    other = person("other", role)
    assert refused(order, lambda: settle.propose(wish_for(order, account), user=other)) == "not_allowed"


def test_paid_or_closed_order_stops_approval() -> None:
    request = proposed()
    wang = person("wang")
    for status, code in (("paid", "already_paid"), ("closed", "order_is_closed")):
        other = build_order_in(status, merchant=request.order.merchant)
        SettlementRequest.objects.filter(pk=request.pk).update(order=other)
        assert refused(other, lambda: approve(SETTLEMENT, request.pk, user=wang, note="ok")) == code


def test_refused_payment_rolls_back_approval() -> None:
    request = proposed()
    build.build_payment(request.account, status="paid", provider_reference=NUMBER)
    wang = person("wang")
    code = refused(request.order, lambda: approve(SETTLEMENT, request.pk, user=wang, note="ok"))
    assert code == "not_settled"
    assert not PaymentException.objects.exists()


def alone(minutes_ago: int) -> SettlementRequest:
    """A request of a shop that lets one person decide after 30 minutes."""
    request = proposed()
    Merchant.objects.update(allows_single_operator=True)
    SettlementRequest.objects.update(proposed_at=timezone.now() - timedelta(minutes=minutes_ago))
    return SettlementRequest.objects.get(pk=request.pk)


def test_single_operator_approves_after_wait() -> None:
    request = alone(31)
    approve(SETTLEMENT, request.pk, user=request.proposer, note="核对过")
    assert lines_of(request.order)[1:] == [("settlement_approved", "li"), ("manual", "li")]
    line = OrderEventText.objects.get(order_id=request.order_id, seq=3)
    assert line.text == "single operator: 核对过"
    assert SettlementRequest.objects.get().is_single_operator


def test_approval_resolves_the_originating_case() -> None:
    order, account = unpaid()
    case = PaymentException.objects.create(
        kind="statement_difference", dedup_key="x", order=order, account=account
    )
    request = settle.propose(wish_for(order, account, case_id=case.pk), user=person("li"))
    approve(SETTLEMENT, request.pk, user=person("wang"), note="回单已核对")
    case.refresh_from_db()
    assert (case.resolution, case.resolved_by.get_username()) == ("回单已核对", "wang")  # type: ignore[union-attr]
    steps = PaymentExceptionStep.objects.filter(exception=case).values_list("action", flat=True)
    assert list(steps) == ["settlement_proposed", "resolved"]


def test_approvers_are_notified_of_the_proposal() -> None:
    request = proposed()
    entry = OutboxEntry.objects.get(name="settlement.proposed")
    assert (entry.subject_id, entry.payload["number"]) == (request.pk, request.order.number)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_deciders_without_the_lock_both_act() -> None:
    """Look at the state, then act: both see a waiting request."""
    assert looking_at_once(proposed()) == [True, True]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_deciders_at_once_have_one_effect() -> None:
    request = proposed()
    assert deciding_at_once(SETTLEMENT, request) == ["already_decided"]
    assert [trigger for trigger, _actor in lines_of(request.order)] == [
        "settlement_proposed", "settlement_approved", "manual",
    ]  # fmt: skip
    assert Payment.objects.count() == 1
    assert OutboxEntry.objects.filter(name="order.paid").count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_proposals_use_a_number_once() -> None:
    account = build.build_webhook()
    orders = [build_order(merchant=account.merchant) for _ in range(2)]
    li = person("li")
    codes: list[str] = []

    def wish(order: Order) -> None:
        try:
            settle.propose(replace(wish_for(order, account), files=[receipt()]), user=li)
        except DomainError as caught:
            codes.append(caught.code)

    run_together(*[lambda order=order: wish(order) for order in orders])
    assert codes == ["reference_taken"]
    assert SettlementRequest.objects.count() == 1


@pytest.mark.parametrize("changes", [{"kind": "reversed"}, {"resolved_at": AT}, {"account": None}])
def test_unrelated_case_is_not_linked(changes: dict[str, Any]) -> None:
    order, account = unpaid()
    other = build_order(merchant=build_merchant(slug="other"))
    of_other = {"account": None, "order": other} if "account" in changes else {"account": account}
    values: dict[str, Any] = {"kind": "unknown_order", "dedup_key": "x", **of_other, **changes}
    case = PaymentException.objects.create(**values)
    wish = wish_for(order, account, case_id=case.pk)
    assert refused(order, lambda: settle.propose(wish, user=person("li"))) == "remedy_gone"
    assert not PaymentExceptionStep.objects.exists()
