"""The payment door: the only code that settles, closes and refunds attempts, whoever brings the fact.

A notification, a provider's answer and the page to which a buyer returns all come as findings. A round is one batch
with a constant number of statements: read whose they are, lock the orders, lock the attempts, judge, try the orders'
door, write. It holds at most one finding per order: one UPDATE would apply one of two silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orders import lifecycle, machine
from orders.lifecycle import Actor, Move, Result
from orders.models import Order
from ordersite.database import bulk
from ordersite.lib.money import ZERO
from ordersite.queue import wakeups
from payments.cases.desk import resolve_refunded
from payments.cases.open import open_cases
from payments.lifecycle import closing
from payments.lifecycle import refunds as confirm
from payments.lifecycle.case_details import case_of
from payments.lifecycle.decide import RETRY_AFTER, Decision, Seen, judge, judge_stranger
from payments.lifecycle.updates import Outcome, PaymentUpdate, UpdateResult
from payments.models import Payment, PaymentAccount, PaymentStatus, Refund
from payments.provider_calls.throttle import TURN_LEASE
from payments.providers.types import UpdateKind

_JUDGED = (
    "id", "order_id", "account_id", "reference", "provider_reference", "amount", "refunded_amount", "is_surplus",
    "currency", "status", "paid_at", "closed_at", "next_query_at", "close_wanted_at", "last_asked_at",
)  # fmt: skip
_WRITTEN = (
    "status", "provider_reference", "refunded_amount", "is_surplus", "paid_at", "closed_at", "next_query_at",
    "close_wanted_at",
)  # fmt: skip


@dataclass(slots=True)
class Work:
    """One finding on its way through a round."""

    update: PaymentUpdate
    decision: Decision
    payment: Payment | None = None
    order: Order | None = None
    refunds: confirm.Seen = confirm.NOTHING
    risen: Decimal = ZERO  # by how much the attempt's refunded sum rose


@dataclass(slots=True)
class Round:
    """What a round has read and locked."""

    now: datetime
    payments: dict[str, Payment]
    orders: dict[int, Order]
    slugs: dict[int, str] = field(default_factory=dict)


def apply_updates(updates: Sequence[PaymentUpdate]) -> list[UpdateResult]:
    """Apply all findings in one transaction, those of one order one after another; a verdict each, in their order.

    Applying a finding again, or at the same time elsewhere, changes nothing and is answered DUPLICATE.
    """
    verdicts: dict[int, UpdateResult] = {}
    with transaction.atomic():
        left = list(range(len(updates)))
        while left:
            answers = apply_batch([updates[index] for index in left])
            verdicts.update(
                (index, verdict) for index, verdict in zip(left, answers, strict=True) if verdict is not None
            )
            left = [index for index in left if index not in verdicts]
    return [verdicts[index] for index in range(len(updates))]


def apply_batch(updates: Sequence[PaymentUpdate]) -> list[UpdateResult | None]:
    """Apply at most one finding per order; None for those that have to come again. Call inside a transaction."""
    owners = _owners({update.reference for update in updates})
    positions = _one_per_order(updates, owners)
    chosen = [updates[position] for position in positions]
    found = _lock(chosen, owners)
    works = _judge_all(chosen, found)
    _try_orders(works, found)
    _change_payments(works, found)
    _write(works, found)
    verdicts = dict(zip(positions, map(_verdict, works), strict=True))
    return [verdicts.get(position) for position in range(len(updates))]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a reference is: read before the locks, since it never changes."""

    order_id: int
    payment_id: int


def _owners(references: Iterable[str]) -> dict[str, Owner]:
    rows = Payment.objects.filter(reference__in=sorted(references)).values_list("reference", "order_id", "pk")
    return {reference: Owner(order_id, pk) for reference, order_id, pk in rows}


def _one_per_order(updates: Sequence[PaymentUpdate], owners: Mapping[str, Owner]) -> list[int]:
    """Positions of the findings that go together: the first of each order, and those that belong to none."""
    taken: set[int] = set()
    positions = []
    for position, update in enumerate(updates):
        owner = owners.get(update.reference)
        if owner is None or owner.order_id not in taken:
            positions.append(position)
        if owner is not None:
            taken.add(owner.order_id)
    return positions


def _lock(updates: Sequence[PaymentUpdate], owners: Mapping[str, Owner]) -> Round:
    """Orders first, then their attempts, each by primary key."""
    owned = [owners[update.reference] for update in updates if update.reference in owners]
    orders = lifecycle.lock(owner.order_id for owner in owned)
    attempts = Payment.objects.select_for_update(no_key=True).filter(pk__in=[o.payment_id for o in owned])
    payments = {payment.reference: payment for payment in attempts.only(*_JUDGED).order_by("pk")}
    accounts = {payment.account_id for payment in payments.values()}
    slugs = dict(PaymentAccount.objects.filter(pk__in=accounts).values_list("pk", "slug"))
    return Round(timezone.now(), payments, orders, slugs)


def _judge_all(updates: Sequence[PaymentUpdate], found: Round) -> list[Work]:
    holders = _holders(updates)
    books = confirm.load(updates, found.payments)
    works = []
    for update in updates:
        payment = found.payments.get(update.reference)
        if payment is None:
            works.append(Work(update, judge_stranger(update, now=found.now)))
            continue
        order = found.orders[payment.order_id]
        trade = (update.account_id, update.provider_reference)
        conflict = holders.get(trade, payment.pk) != payment.pk
        refunds = books.about(update, payment)
        decision = judge(update, Seen(payment, order, conflict, refunds), now=found.now)
        if decision.settle and update.provider_reference:
            holders[trade] = payment.pk
        works.append(Work(update, decision, payment, order, refunds))
    return works


def _holders(updates: Sequence[PaymentUpdate]) -> dict[tuple[int, str], int]:
    """Which attempt holds each of the trades that these findings pay with."""
    numbers = {f.provider_reference for f in updates if f.kind is UpdateKind.PAYMENT and f.provider_reference}
    rows = Payment.objects.filter(~Q(provider_reference=""), provider_reference__in=sorted(numbers))
    return {
        (account, number): pk
        for account, number, pk in rows.values_list("account_id", "provider_reference", "pk")
    }


def _try_orders(works: Sequence[Work], found: Round) -> None:
    """Fire what the findings ask for; what the order says of it may change the ruling."""
    acting = [work for work in works if work.decision.action]
    if not acting:
        return
    outcomes = lifecycle.fire(found.orders, [_move(work, found) for work in acting])
    for work, outcome in zip(acting, outcomes, strict=True):
        if outcome.result is not Result.DONE:
            work.decision = _refused(work, outcome)


def _move(work: Work, found: Round) -> Move:
    assert work.payment
    update, action = work.update, work.decision.action
    return Move(
        order_id=work.payment.order_id,
        action=action,
        trigger=update.trigger if action == "pay" else machine.REFUND_CONFIRMED,
        actor=_actor(work, found),
        evidence=update.evidence,
        at=update.at,
    )


def _actor(work: Work, found: Round) -> Actor:
    assert work.payment
    return work.update.actor or Actor("provider", found.slugs.get(work.payment.account_id, ""))


def _refused(work: Work, outcome: lifecycle.Outcome) -> Decision:
    """The money came or went all the same: the attempt says so, and a person decides about the order."""
    if work.decision.action == "refund":
        already = outcome.result is Result.ALREADY
        return (
            replace(work.decision, action="") if already else _with_case(work.decision, Outcome.REFUND_EVENT)
        )
    if outcome.result is Result.ALREADY:
        return _with_case(work.decision, Outcome.ALREADY_PAID)
    closed = outcome.code == "order_closed"
    return _with_case(work.decision, Outcome.ORDER_CLOSED if closed else Outcome.ORDER_REFUSED)


def _with_case(decision: Decision, outcome: Outcome) -> Decision:
    return replace(decision, outcome=outcome, action="", case=True)


def _change_payments(works: Sequence[Work], found: Round) -> None:
    """The attempts' transitions, written with one guarded UPDATE per state that they came from."""
    groups: dict[str, list[Payment]] = {}
    for work in works:
        if work.payment is not None:
            source = str(work.payment.status)
            if _change(work, work.payment, found.now):
                groups.setdefault(source, []).append(work.payment)
    for source, changed in sorted(groups.items()):
        count = bulk.update_rows(Payment, changed, _WRITTEN, guard={"status": source})
        if count != len(changed):
            raise RuntimeError(f"{count} of {len(changed)} locked payments were changed")


def _change(work: Work, payment: Payment, now: datetime) -> bool:
    decision, update = work.decision, work.update
    if decision.settle:
        payment.settle(update.at)
        payment.provider_reference = update.provider_reference or payment.provider_reference
        payment.is_surplus = decision.outcome in (Outcome.ALREADY_PAID, Outcome.ORDER_CLOSED)
    elif decision.close:
        payment.close(update.at)
    elif decision.refunded is not None:
        _refund(work, payment)
    elif decision.ask and _may_be_asked(payment, now):
        payment.next_query_at = now
    else:
        return False
    return True


def _may_be_asked(payment: Payment, now: datetime) -> bool:
    """Whether nobody is asking at this moment: `next_query_at` is then the lease of whoever does."""
    return payment.last_asked_at is None or now - payment.last_asked_at > TURN_LEASE


def _refund(work: Work, payment: Payment) -> None:
    total = work.decision.refunded or ZERO
    work.risen = total - payment.refunded_amount
    payment.refunded_amount = total
    if total == payment.amount:
        payment.refund()


def _write(works: Sequence[Work], found: Round) -> None:
    _write_refunds(works, found)
    _close_waiting_orders(works, found)
    _end_cases(works)
    cases = [
        case_of(work.update, work.payment, work.decision.outcome) for work in works if work.decision.case
    ]
    cases += [
        case_of(work.update, work.payment, Outcome.REFUND_EVENT) for work in works if work.decision.unasked
    ]
    if cases:
        open_cases(cases)
    if any(work.decision.ask for work in works):
        transaction.on_commit(lambda: wakeups.hint(closing.ASK_HINT))


def _write_refunds(works: Sequence[Work], found: Round) -> None:
    """A row for each part that went back. A partial refund also raises the order's sum; the state stays."""
    told = [work for work in works if work.payment and _is_told_refund(work)]
    found_rows = [confirm.row_of(w.update, w.payment, w.refunds, w.risen) for w in told if w.payment]
    rows = [row for row in found_rows if row is not None]
    rows.sort(key=lambda row: (row.payment_id, row.refund_reference))
    bulk.insert_rows(Refund, rows, ignore_conflicts=True)
    lifecycle.note_refunds([_partial(work, found) for work in told if work.risen and _is_partial(work)])
    confirm.follow([_step(work, found) for work in works if work.decision.request])


def _is_told_refund(work: Work) -> bool:
    """Also where the sum has not risen: an overtaken notice tells by its own number what a later sum held already."""
    told = work.update.kind is UpdateKind.REFUND and work.decision.outcome is Outcome.DUPLICATE
    return bool(work.risen) or told or work.decision.request == "succeed"


def _step(work: Work, found: Round) -> confirm.Step:
    assert work.refunds.asked
    assert work.order
    update, action = work.update, work.decision.request
    return confirm.Step(
        work.refunds.asked, work.order, action, _actor(work, found), update.evidence, update.at
    )


def _is_partial(work: Work) -> bool:
    return (
        work.payment is not None and work.payment.status == PaymentStatus.PAID and not work.payment.is_surplus
    )


def _partial(work: Work, found: Round) -> lifecycle.PartialRefund:
    assert work.payment
    assert work.order
    update, total = work.update, work.payment.refunded_amount
    return lifecycle.PartialRefund(work.order, total, _actor(work, found), update.evidence, update.at)


def _close_waiting_orders(works: Sequence[Work], found: Round) -> None:
    """An order that waits to be closed closes with its last attempt."""
    closed = {work.payment.order_id for work in works if work.payment and work.decision.close}
    waiting = {pk: found.orders[pk] for pk in closed if found.orders[pk].closing_at}
    moves = closing.close_moves(waiting) if waiting else []
    if moves:
        lifecycle.fire(waiting, moves)


def _end_cases(works: Sequence[Work]) -> None:
    """Money that no order needed has gone back whole: nobody has to look after it any more."""
    risen = [work.payment for work in works if work.payment and work.risen]
    back = [one.pk for one in risen if one.is_surplus and one.status == PaymentStatus.REFUNDED]
    if back:
        resolve_refunded(back)


def _verdict(work: Work) -> UpdateResult:
    return UpdateResult(
        outcome=work.decision.outcome,
        payment_id=work.payment.pk if work.payment else None,
        order_id=work.payment.order_id if work.payment else None,
        retry_after=RETRY_AFTER if work.decision.retry else None,
    )


def open_attempt(payment_id: int, *, pay_url: str = "", code_url: str = "") -> Payment:
    """The provider has the attempt, or the buyer has its address; one that has moved on meanwhile stays as it is.

    Returns the attempt as it is now, with its order and account.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update(no_key=True).get(pk=payment_id)
        if payment.status == PaymentStatus.CREATED:
            payment.open()
            payment.pay_url = pay_url or payment.pay_url
            payment.code_url = code_url or payment.code_url
            bulk.update_rows(
                Payment, [payment], ("status", "pay_url", "code_url"), guard={"status": PaymentStatus.CREATED}
            )
    return Payment.objects.select_related("account", "order").get(pk=payment_id)
