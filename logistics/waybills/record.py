"""Records what a carrier said of an ordered waybill: number, parcel, insured value and history in one transaction.

Lock order: the order, then the waybill, then what the door of confirmations inserts.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from logistics import cases
from logistics.carrier_calls.log import store_calls
from logistics.carrier_calls.recorder import RecordedCall
from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import CarrierError, NewWaybill
from logistics.dispatch.check import Confirmation, ProductQuantity
from logistics.dispatch.confirm import confirm_shipments
from logistics.models import Shipment, ShipmentException, WaybillOrder, WaybillStatus
from logistics.waybills import label_files
from logistics.waybills.call import CarrierStep, WaybillReply
from orders import lifecycle
from orders.changes import Note
from orders.history.lines import Actor, Evidence

Kind = ShipmentException.Kind
FIRST_BACKOFF, LONGEST_BACKOFF = timedelta(seconds=5), timedelta(minutes=10)
# A waybill without an answer for so long is a case.
LONG = timedelta(minutes=30)
# Why a waybill that was made is not wanted, beside the codes of a confirmation.
BY_STAFF, ORDER_STOPPED, TOO_LATE = "by_staff", "order_stopped", "too_late"
# The number stands on another parcel: cancelling it would stop that one.
NOT_OURS = "tracking_number_used"
_TRIES_FOR_A_LABEL = 20

logger = logging.getLogger(__name__)


class _Unwanted(Exception):
    """The door refused the parcel; `code` is one of `errors.CONFIRMATIONS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def record(waybill: WaybillOrder, reply: WaybillReply) -> WaybillOrder:
    """Store what a try has brought and return the row as it is then. Idempotent. Opens its own transactions."""
    store_calls(
        waybill.account_id,
        [RecordedCall(call, waybill.reference, waybill.order_id) for call in reply.calls],
    )
    file = label_files.keep(reply.label or (reply.waybill.label if reply.waybill else b""))
    try:
        with transaction.atomic():
            row = lock(waybill.pk)
            used = _apply(row, reply, file)
    except BaseException:
        label_files.drop(file)
        raise
    if not used:
        label_files.drop(file)
    return row


def lock(waybill_id: int) -> WaybillOrder:
    """Lock the order of a waybill, then the waybill. Call inside a transaction."""
    order_id = WaybillOrder.objects.values_list("order_id", flat=True).get(pk=waybill_id)
    lifecycle.lock([order_id])
    return WaybillOrder.objects.select_for_update(no_key=True).get(pk=waybill_id)


def _apply(row: WaybillOrder, reply: WaybillReply, file: str) -> bool:
    """Change the locked row and save it; returns whether the label's file belongs to it now."""
    row.leased_until = None
    if reply.step is CarrierStep.LABEL:
        return _apply_label(row, reply, file)
    if reply.step is CarrierStep.CANCEL and row.is_made:
        _apply_void(row, reply)
        return False
    if reply.waybill is not None:
        return _apply_number(row, reply.waybill, file)
    if row.is_reserving:
        _apply_end_or_problem(row, reply)
    row.save()
    return False


def _apply_number(row: WaybillOrder, made: NewWaybill, file: str) -> bool:
    """The carrier has made it: insert the parcel, or cancel the number where it must not leave."""
    number = tidy_number(made.tracking_number)
    if row.is_made:
        row.save()
        if row.tracking_number != number:
            logger.error("a second waybill", extra={"reference": row.reference})
            _open_case(row, Kind.WAYBILL_UNWANTED, code=TOO_LATE, number=number)
        return False
    row.tracking_number, row.last_problem, row.failures = number, "", 0
    row.label_url, row.marks = made.label_url[:500], dict(made.marks)
    row.answer_digest = hashlib.sha256(made.raw.encode()).hexdigest() if made.raw else ""
    if not row.is_reserving:
        row.reappear()
        row.cancel_code = row.cancel_code or TOO_LATE
    if row.cancel_code:
        return _want_cancelled(row, row.cancel_code)
    try:
        with transaction.atomic():
            _insert_parcel(row, made, file)
    except _Unwanted as refused:
        fresh = WaybillOrder.objects.get(pk=row.pk)
        for name in ("tracking_number", "label_url", "marks", "answer_digest", "leased_until"):
            setattr(fresh, name, getattr(row, name))
        return _want_cancelled(fresh, refused.code)
    return bool(file)


def _insert_parcel(row: WaybillOrder, made: NewWaybill, file: str) -> None:
    """Insert the parcel through the door, with the goods that the row reserved. Raises `_Unwanted`: undo it all."""
    now = timezone.now()
    row.make(now)
    row.label_file = file
    row.next_try_at = now if made.label_url and not file else None
    row.save()  # what it reserved is free for its own parcel, under the order's lock
    quantities: dict[str, int] = {}
    for line in row.lines.select_related("order_line"):
        product = line.order_line.product_id
        quantities[product] = quantities.get(product, 0) + line.quantity
    confirmation = Confirmation(
        order=row.order.number,
        warehouse=row.warehouse.slug,
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        insured_value=made.insured_value,
        lines=tuple(ProductQuantity(product, count) for product, count in sorted(quantities.items())),
        parcel_id=row.parcel_id,
    )
    actor = Actor(row.actor_kind, row.actor_id)
    [result] = confirm_shipments(row.merchant, [confirmation], actor=actor, digest=row.answer_digest)
    if not result.ok:
        raise _Unwanted(result.code)
    if result.shipment != row.parcel_id:  # the warehouse's program has confirmed this very number before
        row.parcel_id = result.shipment
        row.save()
    _resolve_cases(row, "the carrier has answered")


def _want_cancelled(row: WaybillOrder, code: str) -> bool:
    """Keep the number and have it cancelled at the carrier; one that is another parcel's is left to a person."""
    if row.status == WaybillStatus.REQUESTED:
        row.doubt()
    row.cancel_code = code
    row.next_try_at = None if code == NOT_OURS else timezone.now()
    row.save()
    if code == NOT_OURS:
        _open_case(row, Kind.WAYBILL_UNWANTED, code=code, number=row.tracking_number)
    return False


def _apply_end_or_problem(row: WaybillOrder, reply: WaybillReply) -> None:
    now = timezone.now()
    if reply.is_cancelled or reply.is_absent:
        # Only what must not leave is looked for without being ordered.
        row.cancel_code = row.cancel_code or ORDER_STOPPED
        row.cancel(now)
        _resolve_cases(row, "cancelled at the carrier")
    elif reply.is_refused and reply.error is not None:
        row.refuse(now)
        row.refusal = row.last_problem = _words(reply.error)
        if reply.step is not CarrierStep.ORDER and not cases.is_ended(row.order):
            _open_case(row, Kind.WAYBILL_REFUSED, problem=row.refusal)
        _resolve_cases(row, "the carrier has answered", kinds=(Kind.WAYBILL_UNKNOWN,))
    elif reply.error is not None:
        _postpone(row, reply.step, reply.error)


def _postpone(row: WaybillOrder, step: CarrierStep, error: CarrierError) -> None:
    """Try again later, at doubling intervals; a person is called once it takes long."""
    if row.status == WaybillStatus.REQUESTED and not error.outcome_known:
        row.doubt()
    now = timezone.now()
    row.last_problem = _words(error)
    row.next_try_at = now + backoff(row.failures)
    row.failures = min(row.failures + 1, 1000)
    if step is CarrierStep.CANCEL and not error.retryable:
        _open_case(row, Kind.WAYBILL_UNWANTED, code=row.cancel_code, number=row.tracking_number)
        row.next_try_at = now + LONGEST_BACKOFF
    elif now - row.created_at > LONG:
        _open_case(row, Kind.WAYBILL_UNKNOWN, problem=row.last_problem)


def _apply_void(row: WaybillOrder, reply: WaybillReply) -> None:
    """The waybill of a parcel was cancelled, or certainly not: a case of the parcel says so. Otherwise try again."""
    error, now = reply.error, timezone.now()
    row.last_problem = _words(error) if error else ""
    if error is not None and (error.retryable or not error.outcome_known):
        row.next_try_at, row.failures = now + backoff(row.failures), min(row.failures + 1, 1000)
    else:
        row.next_try_at = None
        row.cancel_code = "" if error else row.cancel_code
        parcel = Shipment.objects.get(pk=row.parcel_id or 0)
        detail = {"tracking_number": row.tracking_number, **({"problem": row.last_problem} if error else {})}
        cases.open_cases([cases.Case(Kind.WAYBILL_VOID, parcel, detail)])
        trigger = "waybill_not_cancelled" if error else "waybill_cancelled"
        evidence = Evidence("waybill", f"{row.carrier} {row.tracking_number}")
        note = Note(row.order_id, trigger, Actor("carrier", row.carrier), evidence)
        lifecycle.apply_one(lifecycle.lock([row.order_id])[row.order_id], note)
    row.save()


def backoff(failures: int) -> timedelta:
    """The time until the next try after so many failures in a row: 5, 10, 20 … s, 10 min at most."""
    return min(FIRST_BACKOFF * 2 ** min(failures, 10), LONGEST_BACKOFF)


def _apply_label(row: WaybillOrder, reply: WaybillReply, file: str) -> bool:
    """Keep the label, or fetch it again; a carrier that never gives it leaves the label of our own."""
    keeps = bool(file) and not row.label_file
    if keeps:
        row.label_file, row.failures, row.last_problem = file, 0, ""
    if row.label_file or row.failures >= _TRIES_FOR_A_LABEL:
        row.next_try_at = None
    else:
        row.last_problem = _words(reply.error or CarrierError("busy"))
        row.next_try_at = timezone.now() + backoff(row.failures)
        row.failures += 1
    row.save()
    return keeps


def _words(error: CarrierError) -> str:
    return f"{error.code}: {error.detail}"[:200] if error.detail else error.code


def _open_case(row: WaybillOrder, kind: str, **detail: str) -> None:
    facts = {"reference": row.reference, **{name: value for name, value in detail.items() if value}}
    cases.open_order_cases([cases.OrderCase(kind, row.order_id, facts)])


def _resolve_cases(
    row: WaybillOrder,
    note: str,
    *,
    kinds: Sequence[str] = (Kind.WAYBILL_UNKNOWN, Kind.WAYBILL_REFUSED, Kind.WAYBILL_UNWANTED),
) -> None:
    """Resolve the cases of this very waybill."""
    found = ShipmentException.objects.open().filter(order_id=row.order_id, kind__in=kinds)
    for case in found:
        if case.detail.get("reference") == row.reference:
            cases.resolve(case, user=None, note=note)
