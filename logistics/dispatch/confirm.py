"""A warehouse confirms what it has sent: parcels are inserted, and an order ships when all of it is in parcels.

A batch is one transaction with a constant number of statements, and each of its rows has a result. Lock order:
orders, then the rows that belong to them; the unique waybill settles the race between two orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from logistics import errors
from logistics.dispatch import check
from logistics.dispatch.check import Batch, Checked, Confirmation, ProductQuantity, Waybill
from logistics.dispatch.instructions.settle import Sent, settle
from logistics.dispatch.refunded_rest import end_refunded
from logistics.models import Shipment, ShipmentLine
from orders import lifecycle, machine
from orders.changes import Move, NoteWaybill, Result
from orders.history.lines import Actor, Evidence
from orders.machine import Action
from orders.models import Merchant
from ordersite.database import bulk
from ordersite.queue import outbox, wakeups

__all__ = ["MOST_ROWS", "Confirmation", "ConfirmationResult", "ProductQuantity", "confirm_shipments"]

MOST_ROWS = 500
_SUCCESSES = frozenset({"ok", "already_confirmed"})
_POLL_TASK = "logistics.poll_tracking"


@dataclass(frozen=True, slots=True)
class ConfirmationResult:
    """The result of one confirmation.

    `order` is the order's number, `code` a key of `errors.CONFIRMATIONS`, `shipment` the parcel's id if it has one.
    """

    order: str
    code: str
    shipment: int | None = None

    @property
    def ok(self) -> bool:
        return self.code in _SUCCESSES

    @property
    def message(self) -> str:
        return str(errors.CONFIRMATIONS[self.code])


def confirm_shipments(
    merchant: Merchant, rows: Sequence[Confirmation], *, actor: Actor, digest: str = ""
) -> list[ConfirmationResult]:
    """Insert the parcels of up to MOST_ROWS confirmations; repeating a confirmation changes nothing.

    `digest` is the SHA-256 of the request, for the history. A row that is refused leaves the others alone. Raises
    ValueError for more rows, and only faults besides.
    """
    if len(rows) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS} confirmations")
    with transaction.atomic():
        batch = check.load(merchant, rows)
        results = [batch.check(row) for row in rows]
        accepted = [(row, done) for row, done in zip(rows, results, strict=True) if done.code == "ok"]
        inserted = _insert(accepted, timezone.now())
        for row, checked in accepted:
            if row.waybill not in inserted:
                batch.give_back(checked)
        kept = [(row, checked) for row, checked in accepted if row.waybill in inserted]
        _settle(batch, kept)
        _update_orders(batch, kept, actor, digest)
        _publish_shipped(batch, kept, inserted)
        parcels = {**batch.existing_parcels(), **inserted}
    return [_result(row, checked, parcels) for row, checked in zip(rows, results, strict=True)]


def _insert(accepted: Sequence[tuple[Confirmation, Checked]], now: datetime) -> dict[Waybill, int]:
    """Insert parcels and their lines; returns waybill → parcel id.

    A waybill that another transaction inserted meanwhile is left out.
    """
    ordered = sorted(accepted, key=lambda pair: pair[0].waybill)
    rows = bulk.insert_rows(
        Shipment,
        [_shipment(row, checked, now) for row, checked in ordered if row.parcel_id is None],
        ignore_conflicts=True,
        returning=("id", "carrier", "tracking_number"),
    )
    inserted: dict[Waybill, int] = {(carrier, number): pk for pk, carrier, number in rows}
    for row, checked in ordered:
        if row.parcel_id is not None and _insert_with_id(_shipment(row, checked, now), row.parcel_id):
            inserted[row.waybill] = row.parcel_id
    bulk.insert_rows(
        ShipmentLine,
        [
            ShipmentLine(shipment_id=inserted[row.waybill], order_line_id=line_id, quantity=quantity)
            for row, checked in ordered
            if row.waybill in inserted
            for line_id, quantity in checked.quantities.items()
        ],
    )
    if inserted:
        transaction.on_commit(lambda: wakeups.wake(_POLL_TASK))
    return inserted


def _insert_with_id(parcel: Shipment, parcel_id: int) -> bool:
    """Insert a parcel under an id that was reserved for it; returns False where its waybill was inserted meanwhile."""
    parcel.pk = parcel_id
    Shipment.objects.bulk_create([parcel], ignore_conflicts=True)
    return Shipment.objects.filter(pk=parcel_id).exists()


def _shipment(row: Confirmation, checked: Checked, now: datetime) -> Shipment:
    if checked.order is None or checked.warehouse is None:
        raise RuntimeError("a row passed without an order or a warehouse")
    carrier, number = row.waybill
    return Shipment(
        order_id=checked.order.pk,
        merchant_id=checked.order.merchant_id,
        warehouse_id=checked.warehouse.pk,
        carrier=carrier,
        tracking_number=number,
        insured_value=row.insured_value,
        shipped_at=min(row.shipped_at or now, now),
        created_at=now,
        is_important=checked.order.is_important,
        next_check_at=now,
    )


def _settle(batch: Batch, kept: Sequence[tuple[Confirmation, Checked]]) -> None:
    """Take what has left off the stock and off the instructions."""
    sent = [
        Sent(checked.order.pk, checked.warehouse.pk, checked.quantities)
        for _row, checked in kept
        if checked.order is not None and checked.warehouse is not None
    ]
    settle(sent, products=batch.products, left=batch.left)


def _update_orders(
    batch: Batch, kept: Sequence[tuple[Confirmation, Checked]], actor: Actor, digest: str
) -> None:
    """Write a line of history for each parcel, and ship the orders of which nothing is left."""
    now = timezone.now()
    orders = {order.pk: order for order in batch.orders.values()}
    notes = [
        NoteWaybill(
            batch.orders[row.order].pk, actor, Evidence("waybill", " ".join(row.waybill), digest), now
        )
        for row, _checked in kept
    ]
    last = {note.order_id: note.evidence for note in notes}
    complete = _complete_orders(batch, kept)
    moves = [Move(pk, Action.SHIP, machine.WAREHOUSE, actor, last[pk], at=at) for pk, at in complete.items()]
    outcomes = lifecycle.apply(orders, [*notes, *moves])
    end_refunded(orders)
    refused = [outcome for outcome in outcomes if outcome.result is not Result.DONE]
    if refused:
        # Checked under the same lock a moment ago: only a rule switched off in between refuses. Roll back.
        raise RuntimeError(f"{len(refused)} orders did not ship: {refused[0].code}")


def _publish_shipped(
    batch: Batch, kept: Sequence[tuple[Confirmation, Checked]], inserted: Mapping[Waybill, int]
) -> None:
    """Publish each parcel that has left; an order ships only with its last one."""
    now = timezone.now()
    outbox.publish(
        [
            outbox.Event(
                "shipment.shipped",
                inserted[row.waybill],
                now,
                {
                    "order": batch.orders[row.order].pk,
                    "carrier": row.waybill[0],
                    "tracking_number": row.waybill[1],
                },
            )
            for row, _checked in kept
        ]
    )


def _complete_orders(batch: Batch, kept: Sequence[tuple[Confirmation, Checked]]) -> dict[int, datetime]:
    """Order id → when its last parcel left (UTC), for the orders that are in parcels completely."""
    now = timezone.now()
    left_at: dict[int, list[datetime]] = {}
    for row, checked in kept:
        if checked.order is not None:
            left_at.setdefault(checked.order.pk, []).append(min(row.shipped_at or now, now))
    return {pk: max(times) for pk, times in left_at.items() if batch.all_shipped(pk)}


def _result(row: Confirmation, checked: Checked, parcels: Mapping[Waybill, int]) -> ConfirmationResult:
    if checked.code not in _SUCCESSES:
        return ConfirmationResult(row.order, checked.code)
    if row.waybill not in parcels:
        return ConfirmationResult(row.order, "tracking_number_used")
    return ConfirmationResult(row.order, checked.code, parcels[row.waybill])
