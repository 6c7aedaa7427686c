"""Working on cases: a person assigns and resolves them, and every action leaves a step. `open` opens them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from orders import lifecycle
from orders.changes import Note
from orders.history.lines import SYSTEM, Actor, Evidence
from payments.cases.errors import already_resolved, note_missing
from payments.models import PaymentException, PaymentExceptionStep
from payments.models.payment import SETTLED
from payments.providers.types import UpdateKind

Action = PaymentExceptionStep.Action
# Resolutions that the product writes itself: stored in English, translated by `orders.labels.note_label`.
REFUNDED, REPLAYED = "refunded in full", "replayed"
HEALED = "the same trade has paid the order, with the right amount and account"
ANSWERED = "the provider has answered"
KEPT_OUT = "another payment has paid the order, and this money has a case of its own"
Kind = PaymentException.Kind


def assign(case: PaymentException, *, user: AbstractUser, to: AbstractUser) -> None:
    """Make `to`, perhaps the user themselves, the owner of an open case. Raises `DomainError` already_resolved."""
    if to == user:
        step = _step(case.pk, Action.ASSIGNED_TO_SELF, user.pk)
    else:
        step = _step(case.pk, Action.ASSIGNED, user.pk, to.get_username())
    with transaction.atomic():
        still_open = PaymentException.objects.open().filter(pk=case.pk)
        if not still_open.update(owner_id=to.pk):
            raise already_resolved()
        step.save(force_insert=True)


def add_step(case_id: int, action: Action, *, user_id: int | None = None, note: str = "") -> None:
    """Record an action about a case, which itself stays as it is. `user_id` None: the product acted by itself."""
    _step(case_id, action, user_id, note).save(force_insert=True)


def _step(case_id: int, action: Action, user_id: int | None, note: str = "") -> PaymentExceptionStep:
    return PaymentExceptionStep(exception_id=case_id, user_id=user_id, action=action, note=note[:500])


def resolve(exception: PaymentException, *, user: AbstractUser, note: str) -> None:
    """Resolve a case with a person's note, which also becomes a line in the order's history.

    Raises `DomainError`: note_missing, already_resolved (another person was faster).
    """
    note = note.strip()
    if not note:
        raise note_missing()
    if not resolve_all([exception.pk], user=user, note=note):
        raise already_resolved()


def resolve_all(case_ids: Iterable[int], *, user: AbstractUser | None, note: str) -> int:
    """Close those of the cases that are open; returns how many. `user` None: the product saw that they are settled.

    Locks their orders, then the cases: call it where their locks may be taken, or are held already.
    """
    with transaction.atomic():
        known = PaymentException.objects.open().filter(pk__in=sorted(set(case_ids)))
        orders = lifecycle.lock(pk for pk in known.values_list("order_id", flat=True) if pk is not None)
        cases = _close(known, user, note)
        lifecycle.apply(orders, _notes(cases, user, note))
    return len(cases)


def resolve_healed(order_ids: Iterable[int]) -> int:
    """Resolve the cases of these orders whose cause is gone; returns how many. Locks the orders of what it resolves.

    An amount or an account differed, and the same trade has settled the payment since; a provider was silent, and the
    payment is settled; or the order had refused money that is surplus now. Money of another trade stays a person's matter.
    """
    rows = PaymentException.objects.open().filter(order_id__in=sorted(order_ids))
    paid = rows.filter(payment__status__in=SETTLED).select_related("payment")
    kinds = Q(kind__in=(Kind.AMOUNT_MISMATCH, Kind.WRONG_ACCOUNT, Kind.PROVIDER_SILENT))
    kept_out = Q(kind=Kind.ORDER_REFUSED, payment__is_surplus=True)
    found: dict[str, list[int]] = {HEALED: [], ANSWERED: [], KEPT_OUT: []}
    for case in paid.filter((kinds & Q(payment__is_surplus=False)) | kept_out):
        if case.kind == Kind.ORDER_REFUSED:
            found[KEPT_OUT].append(case.pk)
        elif case.kind == Kind.PROVIDER_SILENT:
            found[ANSWERED].append(case.pk)
        elif _is_settled_by_its_trade(case):
            found[HEALED].append(case.pk)
    return sum(resolve_all(ids, user=None, note=note) for note, ids in found.items() if ids)


def _is_settled_by_its_trade(case: PaymentException) -> bool:
    payment, trade = case.payment, case.detail.get("provider_reference")
    if payment is None or not trade or case.detail.get("kind") != UpdateKind.PAYMENT:
        return False
    return (case.account_id, trade) == (payment.account_id, payment.provider_reference)


def resolve_refunded(payment_ids: Iterable[int]) -> list[Note]:
    """Resolve what waited for the surplus money of these attempts, which has gone back whole.

    Call under the locks of their orders. Returns the notes for the orders' history: the caller takes them along on
    its visit to the orders' door.
    """
    settled = PaymentException.objects.open().about_surplus().filter(payment_id__in=sorted(payment_ids))
    known = PaymentException.objects.open().filter(pk__in=list(settled.values_list("pk", flat=True)))
    cases = _close(known, user=None, note=REFUNDED)
    return _notes(cases, None, REFUNDED)


def _close(known: QuerySet[PaymentException], user: AbstractUser | None, note: str) -> list[PaymentException]:
    """Lock the cases and resolve them, a step for each."""
    cases = list(known.select_for_update(no_key=True).order_by("pk"))
    if cases:
        ids = [case.pk for case in cases]
        PaymentException.objects.filter(pk__in=ids).update(
            resolved_at=timezone.now(), resolved_by_id=user.pk if user else None, resolution=note[:500]
        )
        steps = [_step(pk, Action.RESOLVED, user.pk if user else None, note) for pk in ids]
        PaymentExceptionStep.objects.bulk_create(steps)
    return cases


def _notes(cases: Sequence[PaymentException], user: AbstractUser | None, note: str) -> list[Note]:
    actor = Actor("staff", user.get_username()) if user else SYSTEM
    return [
        Note(case.order_id, "case_resolved", actor, Evidence("payment_exception", str(case.pk)), note)
        for case in cases
        if case.order_id is not None
    ]
