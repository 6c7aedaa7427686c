"""The refund desk's door: asking for money back, and deciding about it. Nothing outside is called here.

Never more than was paid: under the locks of order and payment, what went back and what is asked back stay within
the payment's amount. Lock order: order, payment, request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from orders import lifecycle
from orders.changes import Change, Note, ReleaseRefund, ReserveRefund
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.models import Merchant, Order
from ordersite.lib.money import ZERO, fen
from ordersite.queue import outbox
from ordersite.queue.wakeups import hint
from payments import references
from payments.accounts.keys import keys_of
from payments.models import Payment, PaymentStatus, RefundRequest
from payments.models.refund_request import LIVE, RefundStatus
from payments.providers.registry import get_provider
from payments.refunds import deciding, errors

ORDER_HINT = "payments.order_refunds"
REQUEST, APPROVE = deciding.REFUND.may_propose, deciding.REFUND.may_decide
How = RefundRequest.DecidedBy
# The same person asking for the same amount of one payment again within this time has pressed a button twice.
SAME_AGAIN = timedelta(minutes=1)
# The triggers of the history lines that tell of an approval.
APPROVALS: Mapping[str, str] = {
    How.PERSON: "refund_approved",
    How.LIMIT: "refund_within_limit",
    How.RULE: "refund_by_rule",
    How.ALONE: "refund_approved_alone",
}


@dataclass(frozen=True, slots=True)
class Locked:
    """What is locked while a request is made or decided."""

    order: Order
    payment: Payment


def request_refund(
    payment_id: int, amount: Decimal, *, actor_user: User | None, reason: str
) -> RefundRequest:
    """Ask for `amount` (yuan) of a payment back; without a user the merchant's rule asks, and approves.

    Within the person's own limit the request is approved at once, else it waits for a second one. From now on the
    order does not ship. Raises `DomainError`: unknown_payment, not_permitted, reason_missing, bad_amount,
    payment_not_paid, refund_exceeds, refund_not_offered, asked_just_now. May be called inside a transaction.
    """
    words = reason.strip()
    if actor_user is not None and not actor_user.has_perm(REQUEST):
        raise errors.not_permitted()
    if not words:
        raise errors.reason_missing()
    with transaction.atomic():
        locked = _lock(payment_id)
        _check_amount(locked.payment, amount)
        if actor_user is not None:
            _check_not_twice(payment_id, amount, actor_user)
        request = _new_request(locked, amount, actor_user, words[:200])
        how = deciding.decided_at_once(request)
        if how:
            _approve(request, actor_user, how, note="")
        request.save(force_insert=True)
        changes: list[Change] = (
            [_reservation(request), _approval_note(request)] if how else [_reservation(request)]
        )
        lifecycle.apply({locked.order.pk: locked.order}, changes)
        if not how:
            outbox.publish([outbox.Event("refund.proposed", request.pk, request.created_at)])
    return request


def left_of(payment: Payment) -> Decimal:
    """How much (yuan) of a payment can still be asked back; exact while the payment is locked."""
    if payment.status != PaymentStatus.PAID:
        return ZERO
    return payment.amount - payment.refunded_amount - live_amount(payment.pk)


def live_amount(payment_id: int) -> Decimal:
    """The sum (yuan) of a payment's requests that have not ended."""
    rows = RefundRequest.objects.filter(payment_id=payment_id, status__in=LIVE)
    total: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return total or ZERO


def _lock(payment_id: int) -> Locked:
    order_id = Payment.objects.filter(pk=payment_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise errors.unknown_payment(payment_id)
    order = lifecycle.lock([order_id])[order_id]
    # In a statement of its own: the account needs no lock.
    payment = Payment.objects.select_for_update(no_key=True).get(pk=payment_id)
    return Locked(order, payment)


def _check_amount(payment: Payment, amount: Decimal) -> None:
    try:
        is_money = fen(amount) > 0
    except ValueError:
        is_money = False
    if not is_money:
        raise errors.bad_amount()
    if payment.status != PaymentStatus.PAID:
        raise errors.payment_not_paid(payment.reference)
    left = left_of(payment)
    if amount > left:
        raise errors.refund_exceeds(payment.reference, max(left, ZERO))
    keys = keys_of(payment.account)
    if not get_provider(keys.provider).can_refund(keys):
        raise errors.refund_not_offered(keys.slug)


def _check_not_twice(payment_id: int, amount: Decimal, user: User) -> None:
    """A button that is pressed twice asks for one refund."""
    lately = RefundRequest.objects.filter(
        payment_id=payment_id, proposer=user, created_at__gt=timezone.now() - SAME_AGAIN
    )
    ended = (RefundStatus.REFUSED, RefundStatus.WITHDRAWN, RefundStatus.FAILED)
    for request in lately.exclude(status__in=ended):
        if request.amount == amount:
            raise errors.asked_just_now(request.reference)


def _new_request(locked: Locked, amount: Decimal, proposer: User | None, reason: str) -> RefundRequest:
    return RefundRequest(
        payment=locked.payment,
        order=locked.order,
        account_id=locked.payment.account_id,
        reference=references.new_reference(),
        amount=amount,
        reason=reason,
        proposer=proposer,
        is_reserved=not locked.payment.is_surplus,
    )


def _reservation(request: RefundRequest) -> ReserveRefund:
    return ReserveRefund(
        order_id=request.order_id,
        amount=reserved_amount(request),
        actor=actor_of(request.proposer),
        evidence=evidence_of(request),
        reason=request.reason,
    )


def reserved_amount(request: RefundRequest) -> Decimal:
    """What of the request stands in its order's `refunds_pending` (yuan)."""
    return request.amount if request.is_reserved else ZERO


def actor_of(user: User | None) -> Actor:
    """As history names them; no user: the machine, by the merchant's rule."""
    return Actor("staff", user.get_username()) if user else SYSTEM


def evidence_of(request: RefundRequest) -> Evidence:
    return Evidence("refund_request", request.reference)


def approve(request_id: int, *, user: User, note: str = "") -> RefundRequest:
    """A second person (or, where the merchant allows it, the proposer after the wait) lets the money go back.

    Raises `DomainError`: not_permitted, own_request, too_early, above_limit, already_decided, refund_exceeds (the
    provider gave money back meanwhile that nobody asked for). Nothing is changed then.
    """

    def decide(locked: Locked, request: RefundRequest) -> None:
        how = deciding.check_decider(request, user, _merchant(locked.order))
        room = left_of(locked.payment)
        if room < ZERO or locked.payment.status != PaymentStatus.PAID:
            raise errors.refund_exceeds(locked.payment.reference, max(room + request.amount, ZERO))
        _approve(request, user, how, note=note.strip()[:200])
        lifecycle.apply_one(locked.order, _approval_note(request))

    return _decide(request_id, user, decide)


def refuse(request_id: int, *, user: User, note: str) -> RefundRequest:
    """End a proposed request with a reason; one's own is withdrawn instead.

    Raises `DomainError`: not_permitted, reason_missing, own_request, already_decided.
    """
    words = note.strip()
    if not words:
        raise errors.reason_missing()

    def decide(locked: Locked, request: RefundRequest) -> None:
        if request.proposer_id == user.pk:
            raise errors.own_request(request.reference)
        request.refuse(timezone.now())
        request.decided_by, request.decided_how, request.decision_note = user, How.PERSON, words[:200]
        _release(locked.order, request, actor_of(user), words)

    return _decide(request_id, user, decide)


def withdraw(request_id: int, *, user: User, note: str = "") -> RefundRequest:
    """The proposer takes a request back that nobody has decided. Raises `DomainError`: not_permitted, already_decided."""

    def decide(locked: Locked, request: RefundRequest) -> None:
        request.withdraw(timezone.now())
        request.decision_note = note.strip()[:200]
        _release(locked.order, request, actor_of(user), note.strip())

    own = RefundRequest.objects.filter(pk=request_id, proposer=user).exists()
    if not own or not user.has_perm(REQUEST):
        raise errors.not_permitted()
    return _change(request_id, decide)


def _decide(request_id: int, user: User, decide: Callable[[Locked, RefundRequest], None]) -> RefundRequest:
    if not user.has_perm(APPROVE):
        raise errors.not_permitted()
    return _change(request_id, decide)


def _change(request_id: int, change: Callable[[Locked, RefundRequest], None]) -> RefundRequest:
    """Change a proposed request under the locks; of two people at once the second finds it decided."""
    with transaction.atomic():
        locked = _lock(_payment_of(request_id))
        request = RefundRequest.objects.select_for_update(no_key=True).get(pk=request_id)
        if request.status != RefundStatus.PROPOSED:
            raise errors.already_decided(request.reference)
        change(locked, request)
        request.save()
    return request


def _payment_of(request_id: int) -> int:
    found = RefundRequest.objects.filter(pk=request_id).values_list("payment_id", flat=True).first()
    if found is None:
        raise errors.unknown_request(request_id)
    return found


def _approve(request: RefundRequest, user: User | None, how: str, *, note: str) -> None:
    now: datetime = timezone.now()
    request.approve(now)
    request.decided_by, request.decided_how, request.decision_note = user, how, note
    transaction.on_commit(lambda: hint(ORDER_HINT))


def _approval_note(request: RefundRequest) -> Note:
    """A line of history: who let the money go, and on what ground."""
    return Note(
        order_id=request.order_id,
        trigger=APPROVALS[request.decided_how],
        actor=actor_of(request.decided_by),
        evidence=evidence_of(request),
        reason=request.decision_note,
    )


def _release(order: Order, request: RefundRequest, actor: Actor, reason: str) -> None:
    release = ReleaseRefund(order.pk, reserved_amount(request), actor, evidence_of(request), reason)
    lifecycle.apply_one(order, release)


def _merchant(order: Order) -> Merchant:
    return Merchant.objects.get(pk=order.merchant_id)
