"""The warehouse's confirmation: parcels come into being here, and an order is shipped when all of it is.

One transaction a batch, a constant number of statements, an answer a row. Lock order: orders, then what hangs on
them; the unique waybill settles the race between two orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from logistics import errors
from logistics.dispatch import check
from logistics.dispatch.check import Books, Confirmation, Verdict, Wanted, Waybill
from logistics.models import Shipment, ShipmentLine
from orders import lifecycle, machine
from orders.lifecycle import Actor, Evidence
from orders.models import Merchant
from ordersite.database import bulk
from ordersite.queue import wakeups

__all__ = ["MOST_ROWS", "Answer", "Confirmation", "Wanted", "confirm_shipments"]

MOST_ROWS = 500
_SUCCESSES = frozenset({"ok", "already_confirmed"})
_POLL_HINT = "logistics.poll_tracking"


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is one of `errors.CONFIRMATIONS`; `shipment` the parcel's id where there is one."""

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
) -> list[Answer]:
    """Take up to MOST_ROWS confirmations; saying the same again changes nothing.

    `digest` is the SHA-256 of what the warehouse sent, for the history. A row that is refused leaves the others
    alone. Raises ValueError for more rows, and only faults besides.
    """
    if len(rows) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS} confirmations")
    with transaction.atomic():
        books = check.load(merchant, rows)
        verdicts = [books.judge(row) for row in rows]
        accepted = [(r, v) for r, v in zip(rows, verdicts, strict=True) if v.code == "ok"]
        made = _insert(accepted, timezone.now())
        for row, verdict in accepted:
            if row.waybill not in made:
                books.give_back(verdict)
        _tell_orders(books, [pair for pair in accepted if pair[0].waybill in made], actor, digest)
        parcels = {**books.parcels_before(), **made}
    return [_answer(row, verdict, parcels) for row, verdict in zip(rows, verdicts, strict=True)]


def _insert(accepted: Sequence[tuple[Confirmation, Verdict]], now: datetime) -> dict[Waybill, int]:
    """Write parcels and their lines; a waybill that another transaction took meanwhile is not in the answer."""
    ordered = sorted(accepted, key=lambda pair: pair[0].waybill)
    found = bulk.insert_rows(
        Shipment,
        [_shipment(row, verdict, now) for row, verdict in ordered],
        ignore_conflicts=True,
        returning=("id", "carrier", "tracking_number"),
    )
    made: dict[Waybill, int] = {(carrier, number): pk for pk, carrier, number in found}
    bulk.insert_rows(
        ShipmentLine,
        [
            ShipmentLine(shipment_id=made[row.waybill], order_line_id=line_id, quantity=quantity)
            for row, verdict in ordered
            if row.waybill in made
            for line_id, quantity in verdict.takes.items()
        ],
    )
    if made:
        transaction.on_commit(lambda: wakeups.hint(_POLL_HINT))
    return made


def _shipment(row: Confirmation, verdict: Verdict, now: datetime) -> Shipment:
    if verdict.order is None or verdict.warehouse is None:
        raise RuntimeError("a row passed without an order or a warehouse")
    carrier, number = row.waybill
    return Shipment(
        order_id=verdict.order.pk,
        merchant_id=verdict.order.merchant_id,
        warehouse_id=verdict.warehouse.pk,
        carrier=carrier,
        tracking_number=number,
        insured_value=row.insured_value,
        shipped_at=min(row.shipped_at or now, now),
        created_at=now,
        is_important=verdict.order.is_important,
        next_check_at=now,
    )


def _tell_orders(
    books: Books, made: Sequence[tuple[Confirmation, Verdict]], actor: Actor, digest: str
) -> None:
    """A line of history for each parcel; the orders of which nothing is left are shipped."""
    now = timezone.now()
    orders = [books.orders[row.order] for row, _verdict in made]
    evidences = [Evidence("waybill", " ".join(row.waybill), digest) for row, _verdict in made]
    if made:
        lifecycle.note_waybills(orders, evidences, actor=actor, at=now)
    last = {order.pk: evidence for order, evidence in zip(orders, evidences, strict=True)}
    whole = _whole_orders(books, made)
    moves = [
        lifecycle.Move(pk, "ship", machine.WAREHOUSE, actor, last[pk], at=at) for pk, at in whole.items()
    ]
    outcomes = lifecycle.fire({order.pk: order for order in orders}, moves) if moves else []
    refused = [outcome for outcome in outcomes if outcome.result is not lifecycle.Result.DONE]
    if refused:
        # Judged under the same lock a moment ago: only a switch thrown in between can do this. Nothing is kept.
        raise RuntimeError(f"{len(refused)} orders did not ship: {refused[0].code}")


def _whole_orders(books: Books, made: Sequence[tuple[Confirmation, Verdict]]) -> dict[int, datetime]:
    """Order → when it left, for those of which all is now in parcels that were really written."""
    now = timezone.now()
    taken: dict[int, list[datetime]] = {}
    for row, verdict in made:
        if verdict.order is not None:
            taken.setdefault(verdict.order.pk, []).append(min(row.shipped_at or now, now))
    return {pk: max(times) for pk, times in taken.items() if books.all_shipped(pk)}


def _answer(row: Confirmation, verdict: Verdict, parcels: Mapping[Waybill, int]) -> Answer:
    if verdict.code in _SUCCESSES and row.waybill not in parcels:
        return Answer(row.order, "tracking_number_used")
    return Answer(row.order, verdict.code, parcels[row.waybill] if verdict.code in _SUCCESSES else None)
