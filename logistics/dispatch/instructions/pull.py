"""The pull form: a warehouse fetches its instructions and acknowledges them, a result for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from logistics import errors
from logistics.dispatch.instructions import answers, reserve
from logistics.dispatch.instructions.described import Described, describe
from logistics.dispatch.instructions.refuse import follow_up, refuse
from logistics.dispatch.instructions.route import may_leave
from logistics.models import Dispatch, DispatchStatus, Warehouse
from orders import lifecycle
from orders.models import Merchant, Order

MOST_ROWS = 500
_SUCCESSES = frozenset({"ok", "already_acked"})


@dataclass(frozen=True, slots=True)
class Ack:
    """`ok` False refuses the instruction; `code` and `message` are the warehouse's."""

    id: int
    ok: bool
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class AckResult:
    """`code` is a key of `errors.ACKS`."""

    id: int
    code: str

    @property
    def ok(self) -> bool:
        return self.code in _SUCCESSES

    @property
    def text(self) -> str:
        return str(errors.ACKS[self.code])


def hand_out(warehouse: Warehouse, *, limit: int) -> list[Described]:
    """The instructions that wait for this warehouse, oldest first; handed out again until they are acknowledged.

    Those of orders that must not ship are left out: they are about to be cancelled. A warehouse of the push form is
    sent its instructions, and has none to fetch.
    """
    if warehouse.adapter == Warehouse.Adapter.PUSH:
        return []
    waiting = Dispatch.objects.filter(
        warehouse=warehouse, status__in=(DispatchStatus.WAITING, DispatchStatus.SENT)
    )
    with transaction.atomic():
        picked = dict(waiting.order_by("pk").values_list("pk", "order_id")[:limit])
        orders = lifecycle.lock(picked.values())
        rows = [
            row
            for row in waiting.filter(pk__in=picked).lock_in_order()
            if row.order_id in orders and may_leave(orders[row.order_id])
        ]
        now = timezone.now()
        first = [row for row in rows if row.sent_at is None]
        for row in rows:
            row.hand_out()
            row.sent_at = row.sent_at or now
        answers.wait_for(first, now)
        reserve.write(rows)
        return describe(rows)


def acknowledge(merchant: Merchant, acks: Sequence[Ack]) -> list[AckResult]:
    """Accept or refuse up to MOST_ROWS instructions; saying the same again changes nothing. Raises ValueError for more.

    A refusal for want of stock, or of an address that is not served, routes the order anew; any other is a case.
    """
    if len(acks) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS} acknowledgements")
    ids = {ack.id for ack in acks}
    with transaction.atomic():
        own = Dispatch.objects.filter(pk__in=ids, order__merchant=merchant)
        orders = lifecycle.lock(own.values_list("order_id", flat=True))
        rows = {row.pk: row for row in own.lock_in_order()}
        visit = _Acks(orders, rows, [], [], [])
        results = [AckResult(ack.id, visit.note(ack)) for ack in acks]
        visit.write()
    return results


@dataclass(slots=True)
class _Acks:
    """What the acknowledgements of one call have done to the locked instructions."""

    orders: Mapping[int, Order]
    rows: Mapping[int, Dispatch]
    accepted: list[Dispatch]
    ended: list[Dispatch]
    refused: list[Dispatch]

    def note(self, ack: Ack) -> str:
        """Apply one to its instruction; returns the code of its result."""
        row = self.rows.get(ack.id)
        if row is None:
            return "unknown_dispatch"
        if row.is_open and not may_leave(self.orders[row.order_id]):
            row.cancel()
            self.ended.append(row)
        if row.status == DispatchStatus.CANCELLED:
            return "cancelled"
        if not row.is_open or (ack.ok and row.status == DispatchStatus.ACCEPTED):
            return "already_acked"
        if ack.ok:
            row.accept()
            self.accepted.append(row)
        else:
            refuse(row, ack.code, ack.message)
            self.ended.append(row)
            self.refused.append(row)
        return "ok"

    def write(self) -> None:
        """Write the instructions, release what they reserved, and have refused orders routed anew or looked at."""
        now = timezone.now()
        ended = {row.pk for row in self.ended}
        accepted = [row for row in self.accepted if row.pk not in ended]
        answers.accepted(accepted, now)
        reserve.write(accepted)
        reserve.end(self.ended, at=now)
        follow_up(self.refused)
