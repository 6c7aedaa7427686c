"""Instructs warehouses to send paid orders, and takes instructions back from orders that must not ship.

Handlers of the relay, in its transaction, in batches: a constant number of statements each. An order is locked and
judged before anything else, so that a held, refunded or closed one never leaves, and a repeated event changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.utils import timezone

from logistics import cases
from logistics.dispatch import check
from logistics.dispatch.instructions import reserve
from logistics.dispatch.instructions.choose import Need, choose, distance_of
from logistics.dispatch.instructions.reserve import Instructed
from logistics.dispatch.refunded_rest import end_refunded
from logistics.dispatch.webhooks.queue import TAKEN_AWAY
from logistics.models import Dispatch, DispatchLine, DispatchStatus, ShipmentException, Warehouse
from logistics.stock import ledger
from logistics.stock.ledger import Ledger, Shelf
from orders import lifecycle
from orders.models import Order, OrderStatus
from ordersite.queue.relay import Answer, Delivered

# After these a warehouse is not asked again for the same order.
REROUTED = ("out_of_stock", "address_unserved", TAKEN_AWAY)


def handle_may_ship(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Instruct warehouses for what is left of these orders, where their shops have any that take instructions."""
    orders = lifecycle.lock({event.subject_id for event in events})
    end_refunded(orders)
    instruct({pk: order for pk, order in orders.items() if may_leave(order)})
    return [None] * len(events)


def handle_must_stay(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Cancel the open instructions of these orders, unless they may leave again meanwhile.

    The cases about the sending of those that are refunded or closed have ended with them.
    """
    orders = lifecycle.lock({event.subject_id for event in events})
    cancel_of([pk for pk, order in orders.items() if not may_leave(order)])
    cases.resolve_about_sending([pk for pk, order in orders.items() if cases.is_ended(order)])
    return [None] * len(events)


def may_leave(order: Order) -> bool:
    """Whether a locked order is paid and nothing stops it."""
    return order.status == OrderStatus.PAID and not order.is_stopped


def cancel_of(order_ids: Collection[int]) -> int:
    """Cancel the open instructions of these locked orders; returns how many there were."""
    rows = Dispatch.objects.open().filter(order_id__in=order_ids).lock_in_order()
    for row in rows:
        row.cancel()
    reserve.end(rows, at=timezone.now())
    return len(rows)


def instruct(orders: Mapping[int, Order]) -> int:
    """Route what is left of these locked orders that may leave; returns how many instructions were made.

    What no warehouse can send is a case.
    """
    warehouses = warehouses_of({order.merchant_id for order in orders.values()})
    routed = {pk: order for pk, order in orders.items() if order.merchant_id in warehouses}
    needs = needs_of(routed)
    if not needs:
        return 0
    refused = _refused(needs)
    candidates = {
        pk: [
            row
            for row in warehouses[routed[pk].merchant_id]
            if (pk, row.pk) not in refused and distance_of(row, need.province) is not None
        ]
        for pk, need in needs.items()
    }
    stock = _lock_stock(needs, candidates)
    parts: list[Instructed] = []
    stuck = []
    for pk in sorted(needs):
        own = _choose(pk, needs[pk], candidates[pk], stock)
        parts += own
        if not own:
            stuck.append(pk)
    made = reserve.insert(parts, stock)
    _open_cases(stuck, needs)
    cases.resolve_order_cases(ShipmentException.Kind.OUT_OF_STOCK, [one.order_id for one in parts])
    return made


def warehouses_of(merchant_ids: Collection[int]) -> dict[int, list[Warehouse]]:
    """The warehouses that take instructions, by merchant id."""
    found: dict[int, list[Warehouse]] = defaultdict(list)
    for row in Warehouse.objects.filter(merchant_id__in=merchant_ids, is_active=True):
        if row.gets_instructions:
            found[row.merchant_id].append(row)
    return found


def needs_of(orders: Mapping[int, Order]) -> dict[int, Need]:
    """What of each order is neither in a parcel nor in an open instruction; orders that need nothing are left out."""
    if not orders:
        return {}
    left, products = check.quantities_left(orders)
    instructed = DispatchLine.objects.filter(
        dispatch__order_id__in=orders,
        dispatch__status__in=(DispatchStatus.WAITING, DispatchStatus.SENT, DispatchStatus.ACCEPTED),
    ).values_list("dispatch__order_id", "order_line_id", "quantity", "shipped")
    for order_id, line_id, quantity, shipped in instructed:
        left[order_id][line_id] -= quantity - shipped
    wanted = {
        pk: {line: number for line, number in lines.items() if number > 0} for pk, lines in left.items()
    }
    return {pk: Need(orders[pk].province, lines, products) for pk, lines in wanted.items() if lines}


def _refused(order_ids: Collection[int]) -> set[tuple[int, int]]:
    """Orders and warehouses that have refused them for good."""
    rows = Dispatch.objects.filter(order_id__in=order_ids, refusal__in=REROUTED)
    return set(rows.values_list("order_id", "warehouse_id"))


def _lock_stock(needs: Mapping[int, Need], candidates: Mapping[int, Sequence[Warehouse]]) -> Ledger:
    return ledger.lock(
        Shelf(row.pk, need.products[line])
        for pk, need in needs.items()
        for row in candidates[pk]
        for line in need.quantities
    )


def _choose(order_id: int, need: Need, warehouses: Sequence[Warehouse], stock: Ledger) -> list[Instructed]:
    """The instructions of one order, their stock reserved for those that follow in the batch."""
    parts = choose(need, warehouses, lambda warehouse, product: stock.available(Shelf(warehouse, product)))
    for part in parts:
        for line, quantity in part.quantities.items():
            stock.reserve(Shelf(part.warehouse.pk, need.products[line]), quantity, order_id=order_id)
    return [Instructed(order_id, part, need.products) for part in parts]


def _open_cases(order_ids: Sequence[int], needs: Mapping[int, Need]) -> None:
    cases.open_goods_cases(
        [
            cases.GoodsCase(
                kind=ShipmentException.Kind.OUT_OF_STOCK,
                order_id=pk,
                detail={
                    "products": "、".join(
                        f"{needs[pk].products[line]} ×{quantity}"
                        for line, quantity in needs[pk].quantities.items()
                    )
                },
            )
            for pk in order_ids
        ]
    )
