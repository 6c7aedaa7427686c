"""Settles instructions and stock with what warehouses confirm. The callers hold the orders' locks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from logistics.dispatch.instructions import answers, reserve
from logistics.models import Dispatch, DispatchLine, DispatchStatus
from logistics.stock import ledger
from logistics.stock.ledger import Shelf
from ordersite.database import bulk
from ordersite.queue import outbox


@dataclass(frozen=True, slots=True)
class Sent:
    """What has left a warehouse in one parcel: order line id → quantity."""

    order_id: int
    warehouse_id: int
    quantities: Mapping[int, int]


def settle(
    parcels: Sequence[Sent], *, products: Mapping[int, str], left: Mapping[int, Mapping[int, int]]
) -> None:
    """Take what has left off the stock and off the instructions; `left` is what of each order is in no parcel yet.

    An instruction that is all sent ends. Those that ask for more than is left, since another warehouse has sent it, are
    cancelled.
    """
    if not parcels:
        return
    rows = Dispatch.objects.open().filter(order_id__in={one.order_id for one in parcels}).lock_in_order()
    lines = reserve.lines_of(rows)
    # Of each order: taken off the shelf, no longer reserved.
    moved: dict[tuple[Shelf, int], list[int]] = defaultdict(lambda: [0, 0])
    by_place: dict[tuple[int, int], list[DispatchLine]] = defaultdict(list)
    for row in rows:
        by_place[row.order_id, row.warehouse_id] += lines[row.pk]
    changed: list[DispatchLine] = []
    for one in parcels:
        for line_id, quantity in one.quantities.items():
            place = (Shelf(one.warehouse_id, products[line_id]), one.order_id)
            moved[place][0] += quantity
            missing = quantity
            for line in by_place[one.order_id, one.warehouse_id]:
                if line.order_line_id == line_id and (part := min(line.left, missing)):
                    line.shipped += part
                    missing -= part
                    changed.append(line)
            moved[place][1] += quantity - missing
    bulk.update_rows(DispatchLine, list({line.pk: line for line in changed}.values()), ("shipped",))
    by_others = {
        (row.pk, line_id)
        for row in rows
        for one in parcels
        for line_id in one.quantities
        if one.order_id == row.order_id and one.warehouse_id != row.warehouse_id
    }
    ended = _end(rows, lines, left, by_others)
    for row in ended:
        for line in lines[row.pk]:
            moved[Shelf(row.warehouse_id, line.product_id), row.order_id][1] += line.left
    reserve.write(ended)
    _go_on([row for row in rows if row.is_open], parcels)
    _move(moved, reserved={row.warehouse_id for row in rows})


def _end(
    rows: Sequence[Dispatch],
    lines: Mapping[int, Sequence[DispatchLine]],
    left: Mapping[int, Mapping[int, int]],
    by_others: Collection[tuple[int, int]],
) -> list[Dispatch]:
    """Ship or cancel the instructions that have ended. `by_others`: lines of which another warehouse has sent some.

    Of several that together ask for more than is left, the youngest are cancelled.
    """
    ended = []
    now = timezone.now()
    # Order line id → what is asked for beyond what is left.
    excess = {line_id: -quantity for of_order in left.values() for line_id, quantity in of_order.items()}
    for row in rows:
        for line in lines[row.pk]:
            excess[line.order_line_id] += line.left
    for row in reversed(rows):
        own = [line for line in lines[row.pk] if line.left]
        if not own:
            row.ship()
        elif any(
            (row.pk, line.order_line_id) in by_others and excess[line.order_line_id] > 0 for line in own
        ):
            row.cancel()
            for line in own:
                excess[line.order_line_id] -= line.left
        else:
            continue
        row.ended_at = now
        ended.append(row)
    cancelled = [row for row in ended if row.status == DispatchStatus.CANCELLED]
    outbox.publish([outbox.Event("dispatch.ended", row.order_id, now) for row in cancelled])
    return ended


def _go_on(rows: Sequence[Dispatch], parcels: Collection[Sent]) -> None:
    """Wait anew for the rest of the instructions of which a part has been sent now."""
    by_place = {(one.order_id, one.warehouse_id) for one in parcels}
    heard = [row for row in rows if (row.order_id, row.warehouse_id) in by_place]
    if heard:
        answers.heard_of(heard, timezone.now())
        reserve.write(heard)


def _move(moved: Mapping[tuple[Shelf, int], Sequence[int]], *, reserved: Collection[int]) -> None:
    """Take and release; a product that no warehouse counts and nobody has reserved needs no row."""
    stock = ledger.lock((shelf for shelf, _order in moved), only_counted=not reserved)
    for (shelf, order_id), (taken, released) in moved.items():
        if shelf in stock.rows:
            stock.release(shelf, released, order_id=order_id)
            stock.take(shelf, taken, order_id=order_id)
    stock.save()
