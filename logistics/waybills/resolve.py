"""Works by the clock on waybills that are not settled: asks for those in doubt, orders, cancels, fetches labels.

It takes over what a process left that died between the commit and the carrier's answer. Threads do nothing but call;
claims and results are written by the thread of the run.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from logistics.accounts import keys_of
from logistics.carriers import registry
from logistics.carriers.interface import Operation
from logistics.carriers.types import CarrierError, MadeWaybill
from logistics.models import CarrierAccount, Shipment, ShipmentStatus, WaybillOrder
from logistics.models.waybill import WaybillOrderQuerySet
from logistics.waybills import errors
from logistics.waybills.call import CarrierStep, WaybillReply, WaybillTask, call
from logistics.waybills.carrier_request import request_of
from logistics.waybills.record import BY_STAFF, NOT_OURS, lock, record
from logistics.waybills.reserve import LEASE
from orders.models import Order, OrderStatus
from ordersite.database.skip_locked import claim_rows
from ordersite.lib.crypto import CannotDecrypt
from ordersite.outside_accounts.throttle import Throttle
from ordersite.outside_accounts.web_calls import web_calls
from ordersite.queue import wakeups

TASK = "logistics.resolve_waybills"
SECONDS_A_RUN = 10.0
# While calls are on their way, new rows are looked for so often.
LOOK_SECONDS = 0.5
# No account takes more than half of the threads.
THREADS, MOST_OF_AN_ACCOUNT = 8, 4
# Kuaidi100 knows a reference for 48 hours and orders anew after that; a carrier that can be queried needs no such end.
ORDERED_AGAIN_FOR = timedelta(hours=36)

# Circuit breaker and count of failures are those of the account's row, which polling shares.
ACCOUNTS = Throttle(accounts=CarrierAccount, lease=LEASE, only_active=True)

logger = logging.getLogger(__name__)


def resolve_waybills(*, seconds: float = SECONDS_A_RUN) -> int:
    """Work on what is due for at most about `seconds`; returns the number of tries.

    A thread that is free takes the next row at once: whoever is slow keeps the threads of its own account and no other.
    """
    until, tried = time.monotonic() + seconds, 0
    running: dict[Future[WaybillReply], WaybillOrder] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="waybills") as pool:
        while (now := time.monotonic()) < until + LEASE.total_seconds():
            busy = Counter(waybill.account_id for waybill in running.values())
            # The last calls of a run may take a minute: meanwhile the others go on, and those that hold it up do not.
            for waybill in _claim_batch(busy, only_idle=now >= until) if now < until or running else ():
                running[pool.submit(_reply, task_of(waybill))] = waybill
                tried += 1
            if not running:
                break
            done, _calling = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                _record(running.pop(future), future.result())
        for future, waybill in running.items():
            _record(waybill, future.result())
    return tried


def _reply(task: WaybillTask | WaybillReply) -> WaybillReply:
    return task if isinstance(task, WaybillReply) else call(task)


def _record(waybill: WaybillOrder, reply: WaybillReply) -> None:
    """Record a reply; an error in doing so stays in the log, and the row is tried again once its lease is over."""
    try:
        record(waybill, reply)
    except Exception:
        logger.exception("waybill not recorded", extra={"reference": waybill.reference})
    if reply.calls:
        ACCOUNTS.record_calls(waybill.account_id, [reply.is_outage])


def _claim_batch(busy: Mapping[int, int], *, only_idle: bool) -> list[WaybillOrder]:
    """Claim due rows for the free threads, of each account as many as it may have; open circuits wait.

    `busy` is how many calls are on their way, by account; `only_idle` leaves out accounts that have one.
    """
    free = THREADS - sum(busy.values())
    if free <= 0:
        return []
    now = timezone.now()
    account_ids = WaybillOrder.objects.due(now).order_by().values_list("account_id", flat=True).distinct()
    accounts = CarrierAccount.objects.filter(pk__in=account_ids)
    claimed: list[WaybillOrder] = []
    for account in sorted(accounts, key=lambda account: (busy.get(account.pk, 0), account.pk)):
        may_call = not account.is_circuit_open and not (only_idle and busy.get(account.pk))
        room = min(MOST_OF_AN_ACCOUNT - busy.get(account.pk, 0), free - len(claimed))
        if may_call and room > 0:
            claimed += _claim(WaybillOrder.objects.due(now).filter(account=account), limit=room)
    return claimed


def _claim(due: WaybillOrderQuerySet, *, limit: int) -> list[WaybillOrder]:
    """Claim rows: the claim counts the try before it is made, and is overtaken once its lease is over."""
    values = {"leased_until": timezone.now() + LEASE, "calls": F("calls") + 1}
    ids = [pk for (pk,) in claim_rows(due, limit=limit, values=values)]
    rows = WaybillOrder.objects.filter(pk__in=ids).select_related("account", "order", "warehouse", "merchant")
    return list(rows.order_by("pk"))


def task_of(waybill: WaybillOrder) -> WaybillTask | WaybillReply:
    """The next try of a claimed row; a reply where there is nothing to call."""
    step = _step(waybill)
    try:
        keys, connector = keys_of(waybill.account), registry.get_carrier(waybill.account.carrier)
    except CannotDecrypt:
        logger.exception("carrier account cannot be opened", extra={"account": waybill.account.slug})
        return WaybillReply(step, error=CarrierError("busy", "cannot_open"))
    is_old = timezone.now() - waybill.created_at > ORDERED_AGAIN_FOR
    if is_old and not waybill.tracking_number and Operation.FIND_WAYBILL not in connector.operations:
        return WaybillReply(step, error=CarrierError("unknown", waybill.last_problem))
    made = MadeWaybill(
        reference=waybill.reference, carrier=waybill.carrier, tracking_number=waybill.tracking_number
    )
    return WaybillTask(
        step,
        connector,
        keys,
        request_of(waybill),
        made=made if step is CarrierStep.CANCEL else None,
        label_url=waybill.label_url,
    )


def _step(waybill: WaybillOrder) -> CarrierStep:
    if waybill.is_made and not waybill.cancel_code:
        return CarrierStep.LABEL
    if waybill.tracking_number:
        return CarrierStep.CANCEL
    if waybill.cancel_code or not _may_ship(waybill.order):
        return CarrierStep.FIND
    return CarrierStep.RESOLVE


def _may_ship(order: Order) -> bool:
    """Whether a parcel may leave as far as the order goes; judged again when its number is recorded."""
    return order.status == OrderStatus.PAID and not order.is_stopped


def order_now(waybill: WaybillOrder) -> WaybillOrder:
    """Call the carrier for a row that this process has just stored, for a caller who waits; returns the row then.

    Call outside transactions. Where the account's circuit is open or this process calls too much already, the resolver
    does it instead.
    """
    task = task_of(waybill)
    if waybill.account.is_circuit_open:
        return _leave_to_resolver(waybill)
    with web_calls().query(waybill.account) as has_slot:
        if not has_slot:
            return _leave_to_resolver(waybill)
        if isinstance(task, WaybillTask):
            first = WaybillTask(CarrierStep.ORDER, task.connector, task.keys, task.request)
            reply = call(first)
        else:
            reply = task
        row = record(waybill, reply)
        if reply.calls:
            ACCOUNTS.record_calls(row.account_id, [reply.is_outage])
        return _fetch_label_now(row)


def _fetch_label_now(row: WaybillOrder) -> WaybillOrder:
    """Fetch the label at once: its address at the carrier lives for a short time only."""
    if not row.is_made or row.next_try_at is None:
        if row.next_try_at is not None:
            wakeups.wake(TASK)
        return row
    claimed = _claim(WaybillOrder.objects.due(timezone.now()).filter(pk=row.pk), limit=1)
    return record(claimed[0], _reply(task_of(claimed[0]))) if claimed else row


def _leave_to_resolver(waybill: WaybillOrder) -> WaybillOrder:
    with transaction.atomic():
        row = lock(waybill.pk)
        row.leased_until, row.next_try_at = None, timezone.now()
        row.save()
    wakeups.wake(TASK)
    return row


def want_cancelled(waybill_id: int, *, is_settled_by_hand: bool = False) -> WaybillOrder:
    """Have a waybill that is no parcel yet cancelled; the resolver finds and cancels it at the carrier.

    `is_settled_by_hand`: a person has cancelled it with the carrier, or there is none. Raises `DomainError`
    waybill_settled where it is a parcel already, or cancelled or refused.
    """
    with transaction.atomic():
        row = lock(waybill_id)
        if not row.is_reserving:
            raise errors.not_open()
        row.cancel_code = row.cancel_code or BY_STAFF
        if is_settled_by_hand:
            row.cancel(timezone.now())
        elif row.cancel_code != NOT_OURS:
            row.next_try_at, row.failures = timezone.now(), 0
        row.save()
    wakeups.wake(TASK)
    return row


def want_parcel_cancelled(waybill_id: int) -> WaybillOrder:
    """Have a made waybill cancelled at the carrier that has not picked its parcel up; a case tells how it ended.

    Parcel and order stay as they are. Raises `DomainError`: waybill_settled, parcel_has_left, cancel_not_offered.
    """
    with transaction.atomic():
        row = lock(waybill_id)
        parcel = Shipment.objects.filter(pk=row.parcel_id or 0, tracking_number=row.tracking_number).first()
        if not row.is_printable or parcel is None:
            raise errors.not_open()
        if parcel.status != ShipmentStatus.SHIPPED:
            raise errors.parcel_has_left()
        if Operation.CANCEL_WAYBILL not in registry.get_carrier(row.account.carrier).operations:
            raise errors.cancel_not_offered(row.account.slug)
        row.cancel_code, row.next_try_at, row.failures = BY_STAFF, timezone.now(), 0
        row.save()
    wakeups.wake(TASK)
    return row


def resolve_soon(waybill_id: int) -> None:
    """Have the resolver work on a waybill now. Raises `DomainError` waybill_settled where nothing is left to do."""
    with transaction.atomic():
        row = lock(waybill_id)
        if not row.is_reserving and row.next_try_at is None:
            raise errors.not_open()
        row.next_try_at, row.failures = timezone.now(), 0
        row.save()
    wakeups.wake(TASK)


def open_waybills(order_id: int) -> Sequence[WaybillOrder]:
    """The waybills of an order that are neither parcels nor ended."""
    return list(WaybillOrder.objects.reserving().filter(order_id=order_id).order_by("pk"))
