"""Checks a warehouse's confirmations against what the orders still have to ship. Pure arithmetic on locked rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from logistics.carriers.numbers import tidy_number
from logistics.models import (
    CARRIERS,
    Dispatch,
    DispatchLine,
    Shipment,
    ShipmentLine,
    Warehouse,
    WaybillLine,
)
from logistics.models.waybill import RESERVING
from orders import lifecycle, machine
from orders.machine import Action
from orders.models import Merchant, Order, OrderLine, OrderStatus

_KNOWN_CARRIERS = frozenset(code for code, _name in CARRIERS)
_ALL_SHIPPED = frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED})
# A carrier's code and a tidied waybill number.
Waybill = tuple[str, str]
# Stands for the id of a parcel that this batch will insert.
_NEW = 0


@dataclass(frozen=True, slots=True)
class ProductQuantity:
    """How much of a product is in a parcel."""

    product_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One parcel that a warehouse confirms.

    `order` is the order's number, `warehouse` a slug, `shipped_at` UTC (empty: now), `insured_value` yuan. Empty
    `lines` mean all that is left of the order. `parcel_id` is an id that was reserved for the parcel.
    """

    order: str
    warehouse: str
    carrier: str
    tracking_number: str
    shipped_at: datetime | None = None
    insured_value: Decimal | None = None
    lines: tuple[ProductQuantity, ...] = ()
    parcel_id: int | None = None

    @property
    def waybill(self) -> Waybill:
        return (self.carrier, tidy_number(self.tracking_number))


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of one check: a code of `errors.CONFIRMATIONS`.

    `quantities` is order line id → quantity in the parcel; filled for the code `ok` alone.
    """

    code: str
    order: Order | None = None
    warehouse: Warehouse | None = None
    quantities: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """The rows that a batch is checked against. Each confirmation that passes lowers what is left for the next."""

    orders: Mapping[str, Order]  # by number
    warehouses: Mapping[str, Warehouse]  # by slug
    waybills: dict[Waybill, tuple[int, int]]  # waybill → order id, parcel id (_NEW: of this batch)
    left: dict[int, dict[int, int]]  # order id → order line id → quantity not shipped yet
    products: Mapping[int, str]  # order line id → product
    may_ship: bool
    # order id, warehouse id → order line id → quantity of the open instructions that is in no parcel yet
    instructed: Mapping[tuple[int, int], Mapping[int, int]] = field(default_factory=dict)
    # Orders of which an ordered waybill reserves goods that are in no parcel yet.
    reserving: frozenset[int] = frozenset()

    def check(self, row: Confirmation) -> Checked:
        """Check one confirmation and, if it passes, take its quantities off what is left."""
        order, warehouse = self.orders.get(row.order), self.warehouses.get(row.warehouse)
        code = self._refusal(row, order, warehouse)
        if code or order is None:
            return Checked(code or "unknown_order", order)
        quantities = self._allocate(order, row.lines, self._instructed_to(order, warehouse))
        if not quantities:
            return Checked("over_shipped", order)
        for line_id, quantity in quantities.items():
            self.left[order.pk][line_id] -= quantity
        self.waybills[row.waybill] = (order.pk, _NEW)
        return Checked("ok", order, warehouse, quantities)

    def _refusal(self, row: Confirmation, order: Order | None, warehouse: Warehouse | None) -> str:
        """The first code that refuses this row; empty when only its quantities are left to check.

        The order of the checks is the order in which a warehouse can help itself.
        """
        owner = self.waybills.get(row.waybill)
        if order is None:
            return "unknown_order"
        if owner is not None:
            return "already_confirmed" if owner[0] == order.pk else "tracking_number_used"
        if row.carrier not in _KNOWN_CARRIERS:
            return "unknown_carrier"
        if warehouse is None:
            return "unknown_warehouse"
        return self._status_refusal(order)

    def _status_refusal(self, order: Order) -> str:
        if order.status in _ALL_SHIPPED:
            return "over_shipped"
        if order.status != OrderStatus.PAID:
            return "not_paid"
        return "held" if order.is_stopped or not self.may_ship else ""

    def _instructed_to(self, order: Order, warehouse: Warehouse | None) -> Mapping[int, int]:
        return self.instructed.get((order.pk, warehouse.pk if warehouse else 0), {})

    def _allocate(
        self, order: Order, wanted: Sequence[ProductQuantity], instructed: Mapping[int, int]
    ) -> dict[int, int]:
        """Order line id → quantity; empty when more is wanted than is left, or nothing is left.

        Where nothing is named, a warehouse with an instruction has sent what is left of that, not of the whole order.
        """
        left = {line_id: quantity for line_id, quantity in self.left[order.pk].items() if quantity > 0}
        if not wanted and instructed:
            own = {line_id: min(quantity, left.get(line_id, 0)) for line_id, quantity in instructed.items()}
            return {line_id: quantity for line_id, quantity in own.items() if quantity}
        if not wanted:
            return left
        left = dict(sorted(left.items(), key=lambda pair: pair[0] not in instructed))
        quantities: dict[int, int] = {}
        for want in wanted:
            missing = want.quantity
            for line_id in [key for key in left if self.products[key] == want.product_id]:
                taken = min(missing, left[line_id])
                if taken:
                    left[line_id] -= taken
                    quantities[line_id] = quantities.get(line_id, 0) + taken
                    missing -= taken
            if missing:
                return {}
        return quantities

    def give_back(self, checked: Checked) -> None:
        """Add the quantities of a confirmation back whose parcel was not inserted after all."""
        for line_id, quantity in checked.quantities.items():
            self.left[checked.order.pk if checked.order else 0][line_id] += quantity

    def existing_parcels(self) -> dict[Waybill, int]:
        """The ids of the parcels that existed before this batch."""
        return {waybill: parcel for waybill, (_order, parcel) in self.waybills.items() if parcel != _NEW}

    def all_shipped(self, order_id: int) -> bool:
        """Whether all of the order is in parcels. What a waybill reserves is in none: its carrier may refuse it."""
        return order_id not in self.reserving and not any(self.left[order_id].values())


def load(merchant: Merchant, rows: Sequence[Confirmation]) -> Batch:
    """Lock the orders, then read everything else in the next statements. Call inside a transaction."""
    numbers = {row.order for row in rows}
    ids = Order.objects.filter(merchant=merchant, number__in=numbers).values_list("pk", flat=True)
    orders = lifecycle.lock(ids)
    warehouses = Warehouse.objects.filter(merchant=merchant, is_active=True)
    used = Shipment.objects.filter(tracking_number__in={row.waybill[1] for row in rows}).only(
        "carrier", "tracking_number", "order_id"
    )
    reserved = _reserved(orders)
    left, products = quantities_left(orders, reserved=reserved)
    return Batch(
        orders={order.number: order for order in orders.values()},
        warehouses={warehouse.slug: warehouse for warehouse in warehouses},
        waybills={(parcel.carrier, parcel.tracking_number): (parcel.order_id, parcel.pk) for parcel in used},
        left=left,
        products=products,
        instructed=_instructed(orders),
        may_ship=(OrderStatus.PAID, Action.SHIP, machine.WAREHOUSE) in lifecycle.enabled_rules(),
        reserving=frozenset(reserved),
    )


def _instructed(orders: Mapping[int, Order]) -> dict[tuple[int, int], dict[int, int]]:
    lines = DispatchLine.objects.filter(
        dispatch__in=Dispatch.objects.open().filter(order_id__in=orders)
    ).values_list("dispatch__order_id", "dispatch__warehouse_id", "order_line_id", "quantity", "shipped")
    found: dict[tuple[int, int], dict[int, int]] = {}
    for order_id, warehouse_id, line_id, quantity, shipped in lines:
        if quantity > shipped:
            of_order = found.setdefault((order_id, warehouse_id), {})
            of_order[line_id] = of_order.get(line_id, 0) + quantity - shipped
    return found


def _reserved(orders: Mapping[int, Order]) -> dict[int, dict[int, int]]:
    """Order id → order line id → quantity that ordered waybills reserve and that is in no parcel yet. One query."""
    lines = WaybillLine.objects.filter(waybill__order_id__in=orders, waybill__status__in=RESERVING)
    found: dict[int, dict[int, int]] = {}
    for order_id, line_id, quantity in lines.values_list("waybill__order_id", "order_line_id", "quantity"):
        of_order = found.setdefault(order_id, {})
        of_order[line_id] = of_order.get(line_id, 0) + quantity
    return found


def quantities_left(
    orders: Mapping[int, Order], *, reserved: Mapping[int, Mapping[int, int]] | None = None
) -> tuple[dict[int, dict[int, int]], dict[int, str]]:
    """Order id → order line id → quantity neither shipped nor reserved by an ordered waybill, and line id → product.

    Lock the orders first: the quantities may change otherwise.
    """
    lines = OrderLine.objects.filter(order_id__in=orders).order_by("order_id", "position")
    bought = lines.values_list("order_id", "pk", "product_id", "quantity")
    shipped = dict(
        ShipmentLine.objects.filter(shipment__order_id__in=orders)
        .values_list("order_line_id")
        .annotate(Sum("quantity"))
        .order_by()
    )
    reserved = _reserved(orders) if reserved is None else reserved
    left: dict[int, dict[int, int]] = {order_id: {} for order_id in orders}
    products: dict[int, str] = {}
    for order_id, line_id, product, quantity in bought:
        kept = reserved.get(order_id, {}).get(line_id, 0)
        left[order_id][line_id] = quantity - shipped.get(line_id, 0) - kept
        products[line_id] = product
    return left, products
