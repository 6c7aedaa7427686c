"""What a person does to instructions: route again, take back, have another warehouse send. Each is a line of history.

Only an order that may ship is ever instructed: that is judged under its lock, whatever the page showed.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics import cases
from logistics.dispatch.instructions import reserve, route
from logistics.dispatch.instructions.choose import Need, Part, reasons_for
from logistics.dispatch.instructions.reserve import Instructed
from logistics.models import Dispatch, ShipmentException, Warehouse
from logistics.stock import ledger
from logistics.stock.ledger import Ledger, Shelf
from orders import lifecycle
from orders.changes import Note
from orders.errors import refused
from orders.history.lines import Actor, Evidence
from orders.models import Order
from ordersite.lib.errors import DomainError
from ordersite.queue import outbox

MANAGE = "logistics.manage_dispatch"
ROUTED, MOVED, CANCELLED = "dispatch_rerouted", "dispatch_moved", "dispatch_cancelled"
_Kind = ShipmentException.Kind


def route_again(order_id: int, *, dispatch_id: int | None = None, actor: Actor, reason: str) -> int:
    """Take an instruction back and route what is left of its order by the rules; returns how many were made.

    Without `dispatch_id` nothing is taken back. Raises `DomainError`: the order must not ship, nothing of it is left, or
    no_warehouse. Where no warehouse has the goods, a case is opened.
    """
    with transaction.atomic():
        order = _lock(order_id)
        if not route.warehouses_of([order.merchant_id]):
            raise DomainError("no_warehouse", _("The shop has no warehouse that gets instructions."))
        rows = _open_rows(order, dispatch_id)
        if not rows and not route.needs_of({order.pk: order}):
            raise _nothing_left(order)
        _cancel(rows)
        reserve.end(rows, at=timezone.now())
        # Should this process die here, the relay routes it.
        outbox.publish([outbox.Event("dispatch.ended", order.pk, timezone.now())])
        _note(order, ROUTED, rows, actor, reason)
        _resolve_cases(order)
    with transaction.atomic():
        order = _lock(order_id)
        return route.instruct({order.pk: order})


def cancel(dispatch_id: int, *, actor: Actor, reason: str) -> None:
    """Take an instruction back and free its stock; nothing is routed before somebody says so.

    Raises `DomainError` not_open where it has ended already.
    """
    with transaction.atomic():
        order_id = Dispatch.objects.values_list("order_id", flat=True).get(pk=dispatch_id)
        order = lifecycle.lock([order_id])[order_id]
        rows = _open_rows(order, dispatch_id)
        if not rows:
            raise DomainError("not_open", _("The instruction has ended already; nothing was changed."))
        _cancel(rows)
        reserve.end(rows, at=timezone.now())
        _note(order, CANCELLED, rows, actor, reason)
        _resolve_cases(order)


def send_from(
    warehouse: Warehouse, order_id: int, *, dispatch_id: int | None = None, actor: Actor, reason: str
) -> None:
    """Have this warehouse send what an instruction was about, and whatever of the order nobody is instructed to send.

    Raises `DomainError`: the order must not ship, nothing of it is left, wrong_warehouse, or stock_missing; nothing is
    changed then.
    """
    with transaction.atomic():
        order = _lock(order_id)
        if warehouse.merchant_id != order.merchant_id or not warehouse.gets_instructions:
            raise DomainError(
                "wrong_warehouse", _("This warehouse gets no instructions for orders of this shop.")
            )
        rows = _open_rows(order, dispatch_id, warehouse)
        lines = reserve.lines_of(rows)
        _end(rows)
        need = route.needs_of({order.pk: order}).get(order.pk)
        if need is None:
            raise _nothing_left(order)
        freed = [
            (Shelf(row.warehouse_id, line.product_id), line.left) for row in rows for line in lines[row.pk]
        ]
        wanted = {Shelf(warehouse.pk, need.products[line]): 0 for line in need.quantities}
        stock = ledger.lock([*wanted, *(shelf for shelf, _left in freed)])
        for shelf, left in freed:
            stock.release(shelf, left, order_id=order.pk)
        _reserve(need, warehouse, stock, order)
        reasons = {**reasons_for(warehouse, need, 1), "by": actor.id}
        part = Part(warehouse, need.quantities, reasons)
        reserve.insert([Instructed(order.pk, part, need.products)], stock)
        _note(order, MOVED, rows, actor, reason)
        _resolve_cases(order)
        cases.resolve_order_cases(_Kind.OUT_OF_STOCK, [order.pk])


def is_uninstructed(order: Order) -> bool:
    """Whether its shop instructs warehouses and something of this order is neither in a parcel nor with one of them."""
    return bool(route.warehouses_of([order.merchant_id]) and route.needs_of({order.pk: order}))


def _lock(order_id: int) -> Order:
    """The locked order. Raises `DomainError` where it must not ship."""
    order = lifecycle.lock([order_id])[order_id]
    if not route.may_leave(order):
        code = "refund_under_way" if order.is_stopped_by_refund else f"order_{order.status}"
        raise refused("held" if order.held else code, order.number)
    return order


def _open_rows(order: Order, dispatch_id: int | None, warehouse: Warehouse | None = None) -> list[Dispatch]:
    """The open ones among this instruction and those to this warehouse, locked."""
    rows = Dispatch.objects.open().filter(order_id=order.pk).lock_in_order()
    return [row for row in rows if row.pk == dispatch_id or (warehouse and row.warehouse_id == warehouse.pk)]


def _cancel(rows: Sequence[Dispatch]) -> None:
    for row in rows:
        row.cancel()


def _end(rows: Sequence[Dispatch]) -> None:
    """Write that these have ended; the caller frees their stock in its one visit to the ledger."""
    _cancel(rows)
    for row in rows:
        row.ended_at = timezone.now()
    reserve.write(rows)


def _reserve(need: Need, warehouse: Warehouse, stock: Ledger, order: Order) -> None:
    """Reserve what is needed. Raises `DomainError` stock_missing where the warehouse has counted less."""
    for line, quantity in need.quantities.items():
        shelf = Shelf(warehouse.pk, need.products[line])
        there = stock.available(shelf)
        if there is not None and there < quantity:
            raise DomainError(
                "stock_missing",
                _("%(warehouse)s has %(there)d of %(product)s free; %(wanted)d are needed."),
                warehouse=warehouse.name,
                there=there,
                product=shelf.product_id,
                wanted=quantity,
            )
        stock.reserve(shelf, quantity, order_id=order.pk)


def _note(order: Order, trigger: str, rows: Sequence[Dispatch], actor: Actor, reason: str) -> None:
    evidence = Evidence("dispatch", str(rows[0].pk)) if rows else Evidence("order", order.number)
    lifecycle.apply_one(order, Note(order.pk, trigger, actor, evidence, reason))


def _resolve_cases(order: Order) -> None:
    """Resolve the cases of what this order's warehouses did not answer or refused: a person has acted."""
    for kind in (_Kind.DISPATCH_UNANSWERED, _Kind.DISPATCH_REFUSED):
        cases.resolve_order_cases(kind, [order.pk], note="a person has seen to it")


def _nothing_left(order: Order) -> DomainError:
    return DomainError(
        "nothing_left",
        _(
            "Nothing of order %(number)s is left to be instructed: it is in parcels, or with a warehouse already."
        ),
        number=order.number,
    )
