"""Cases for a person: raised in the transaction of the fact, once per fact while open; resolved by a person."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from orders import lifecycle
from orders.history.lines import SYSTEM, Actor, Evidence, Fact
from orders.models import Order, OrderEvent
from ordersite.lib.money import format_amount
from ordersite.rails import bulk, outbox
from payments import errors
from payments.models import PaymentException, PaymentExceptionStep

Deed = PaymentExceptionStep.Deed
# Money that no order needs.
LATE = (PaymentException.Kind.ORDER_CLOSED, PaymentException.Kind.ALREADY_PAID)
REFUNDED, REPLAYED = gettext_noop("refunded in full"), gettext_noop("replayed")
# What the product notes by itself: stored in English, shown in the reader's language.
OWN_WORDS = frozenset({REFUNDED, REPLAYED})
_KEY_LENGTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`dedup_key` names the fact (a trade, an order, an hour): one fact makes one open case. `amount` is yuan.

    `detail` is JSON for the page: what was seen and what was expected, amounts as text. `is_news` False: the fact is
    only seen again because we asked; what a person has dealt with is not raised anew by that.
    """

    kind: PaymentException.Kind
    dedup_key: str
    account_id: int | None = None
    order_id: int | None = None
    payment_id: int | None = None
    notification_id: int | None = None
    amount: Decimal | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    is_news: bool = True


def fact_key(*parts: object) -> str:
    """The parts as one dedup key; a hash where they are too long for the column."""
    joined = ":".join(str(part) for part in parts)
    return joined if len(joined) <= _KEY_LENGTH else hashlib.sha256(joined.encode()).hexdigest()


def raise_exceptions(cases: Sequence[Case]) -> int:
    """Insert the cases that are not open yet and publish an event for each of those; returns how many are new.

    Call inside a transaction. Two statements whatever the number, one more for what was learnt by asking.
    """
    cases = _without_dealt_with(cases)
    now = timezone.now()
    # Sorted by the unique key: two unsorted multi-row inserts deadlock.
    ordered = sorted(cases, key=lambda case: (case.kind, case.dedup_key))
    rows = [
        PaymentException(
            kind=case.kind,
            dedup_key=case.dedup_key,
            account_id=case.account_id,
            order_id=case.order_id,
            payment_id=case.payment_id,
            notification_id=case.notification_id,
            amount=case.amount,
            detail={name: _plain(value) for name, value in case.detail.items()},
            created_at=now,
        )
        for case in ordered
    ]
    new = bulk.insert_rows(PaymentException, rows, ignore_conflicts=True, returning=("id", "kind", "order"))
    outbox.publish(
        [
            outbox.Event("payment.exception_raised", pk, now, {"kind": kind, "order_id": order_id})
            for pk, kind, order_id in new
        ]
    )
    return len(new)


def _without_dealt_with(cases: Sequence[Case]) -> Sequence[Case]:
    """Leave out what is no news and was resolved before: the provider is asked every hour and says the same."""
    old = [case.dedup_key for case in cases if not case.is_news]
    if not old:
        return cases
    resolved = PaymentException.objects.filter(dedup_key__in=old, resolved_at__isnull=False)
    known = set(resolved.values_list("kind", "dedup_key"))
    return [case for case in cases if case.is_news or (case.kind, case.dedup_key) not in known]


def _plain(value: Any) -> Any:
    return format_amount(value) if isinstance(value, Decimal) else value


def take(case: PaymentException, *, user: AbstractUser) -> None:
    """Make this person the owner of an open case. Raises `DomainError` already_resolved."""
    _give(case, user, _step(case.pk, Deed.TAKEN, user.pk))


def assign(case: PaymentException, *, user: AbstractUser, to: AbstractUser) -> None:
    """Give an open case to a colleague. Raises `DomainError` already_resolved."""
    _give(case, to, _step(case.pk, Deed.ASSIGNED, user.pk, to.get_username()))


def _give(case: PaymentException, owner: AbstractUser, step: PaymentExceptionStep) -> None:
    with transaction.atomic():
        still_open = PaymentException.objects.filter(pk=case.pk, resolved_at__isnull=True)
        if not still_open.update(owner_id=owner.pk):
            raise errors.already_resolved()
        step.save(force_insert=True)


def add_step(
    case_id: int, deed: PaymentExceptionStep.Deed, *, user_id: int | None = None, words: str = ""
) -> None:
    """Write down what was done about a case; the case stays as it is. `user_id` None: the product did it."""
    _step(case_id, deed, user_id, words).save(force_insert=True)


def _step(
    case_id: int, deed: PaymentExceptionStep.Deed, user_id: int | None, words: str = ""
) -> PaymentExceptionStep:
    return PaymentExceptionStep(exception_id=case_id, user_id=user_id, deed=deed, words=words[:500])


def resolve(exception: PaymentException, *, user: AbstractUser, note: str) -> None:
    """Close a case with the words of the person who dealt with it; a line in the order's history says so.

    Raises `DomainError`: note_missing, already_resolved (another person was faster).
    """
    words = note.strip()
    if not words:
        raise errors.note_missing()
    if not resolve_all([exception.pk], user=user, note=words):
        raise errors.already_resolved()


def resolve_all(case_ids: Iterable[int], *, user: AbstractUser | None, note: str) -> int:
    """Close those of the cases that are open; returns how many. `user` None: the product saw that they are settled.

    Locks their orders, then the cases: call it where their locks may be taken, or are held already.
    """
    with transaction.atomic():
        known = PaymentException.objects.filter(pk__in=sorted(set(case_ids)), resolved_at__isnull=True)
        orders = lifecycle.lock(pk for pk in known.values_list("order_id", flat=True) if pk is not None)
        cases = list(known.select_for_update(no_key=True).order_by("pk"))
        if not cases:
            return 0
        ids = [case.pk for case in cases]
        PaymentException.objects.filter(pk__in=ids).update(
            resolved_at=timezone.now(), resolved_by_id=user.pk if user else None, resolution=note[:500]
        )
        steps = [_step(pk, Deed.RESOLVED, user.pk if user else None, note) for pk in ids]
        PaymentExceptionStep.objects.bulk_create(steps)
        _note_on_orders([case for case in cases if case.order_id in orders], orders, user, note)
    return len(cases)


def resolve_refunded(payment_ids: Iterable[int]) -> int:
    """The surplus money of these attempts has gone back whole: what waited for that is settled; returns how many cases.

    Call under the locks of their orders.
    """
    settled = PaymentException.objects.filter(
        payment_id__in=sorted(payment_ids), payment__is_surplus=True, kind__in=LATE, resolved_at__isnull=True
    )
    return resolve_all(settled.values_list("pk", flat=True), user=None, note=REFUNDED)


def _note_on_orders(
    cases: Sequence[PaymentException], orders: Mapping[int, Order], user: AbstractUser | None, note: str
) -> None:
    actor = Actor("staff", user.get_username()) if user else SYSTEM
    facts = [
        Fact(
            kind=OrderEvent.Kind.NOTE,
            trigger="case_resolved",
            actor=actor,
            at=timezone.now(),
            evidence=Evidence("payment_exception", str(case.pk)),
            reason=note,
        )
        for case in cases
    ]
    if facts:
        lifecycle.record([orders[case.order_id] for case in cases if case.order_id], facts)
