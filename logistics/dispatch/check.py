"""What a warehouse says it shipped, judged against what the order still wants. Pure arithmetic on locked rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from logistics.carriers.numbers import tidy_number
from logistics.models import CARRIERS, Shipment, ShipmentLine, Warehouse
from orders import lifecycle, machine
from orders.models import Merchant, Order, OrderLine
from orders.models import OrderStatus as S

_KNOWN_CARRIERS = frozenset(code for code, _name in CARRIERS)
_ALL_SHIPPED = frozenset({S.SHIPPED, S.COMPLETED})
Waybill = tuple[str, str]
_NEW = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    product_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One parcel as a warehouse tells of it. `order` is its number, `warehouse` a slug, `shipped_at` UTC (empty:
    now), `insured_value` yuan. `lines` empty means all that is left of the order."""

    order: str
    warehouse: str
    carrier: str
    tracking_number: str
    shipped_at: datetime | None = None
    insured_value: Decimal | None = None
    lines: tuple[Wanted, ...] = ()

    @property
    def waybill(self) -> Waybill:
        return (self.carrier, tidy_number(self.tracking_number))


@dataclass(frozen=True, slots=True)
class Verdict:
    """`takes` is order line → quantity, filled for the code `ok` alone."""

    code: str
    order: Order | None = None
    warehouse: Warehouse | None = None
    takes: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """The state that a batch is judged by; each row that passes is taken off it, so that the next sees less."""

    orders: Mapping[str, Order]
    warehouses: Mapping[str, Warehouse]
    waybills: dict[Waybill, tuple[int, int]]  # waybill → order, parcel (_NEW: of this batch)
    left: dict[int, dict[int, int]]  # order → order line → quantity not shipped yet
    products: Mapping[int, str]  # order line → product
    may_ship: bool

    def judge(self, row: Confirmation) -> Verdict:
        order, warehouse = self.orders.get(row.order), self.warehouses.get(row.warehouse)
        code = self._refusal(row, order, warehouse)
        if code or order is None:
            return Verdict(code or "unknown_order", order)
        takes = self._takes(order, row.lines)
        if not takes:
            return Verdict("over_shipped", order)
        for line_id, quantity in takes.items():
            self.left[order.pk][line_id] -= quantity
        self.waybills[row.waybill] = (order.pk, _NEW)
        return Verdict("ok", order, warehouse, takes)

    def _refusal(self, row: Confirmation, order: Order | None, warehouse: Warehouse | None) -> str:
        """A code in the order in which a warehouse can help itself; empty when only the quantities are left."""
        owner = self.waybills.get(row.waybill)
        if order is None:
            return "unknown_order"
        if owner is not None:
            return "already_confirmed" if owner[0] == order.pk else "tracking_number_used"
        if row.carrier not in _KNOWN_CARRIERS:
            return "unknown_carrier"
        if warehouse is None:
            return "unknown_warehouse"
        return self._state_refusal(order)

    def _state_refusal(self, order: Order) -> str:
        if order.status in _ALL_SHIPPED:
            return "over_shipped"
        if order.status != S.PAID:
            return "not_paid"
        return "held" if order.is_stopped or not self.may_ship else ""

    def _takes(self, order: Order, wanted: Sequence[Wanted]) -> dict[int, int]:
        """Order line → quantity; empty when it is more than what is left, or nothing is left."""
        left = {line_id: quantity for line_id, quantity in self.left[order.pk].items() if quantity > 0}
        if not wanted:
            return left
        takes: dict[int, int] = {}
        for want in wanted:
            missing = want.quantity
            for line_id in [key for key in left if self.products[key] == want.product_id]:
                taken = min(missing, left[line_id])
                if taken:
                    left[line_id] -= taken
                    takes[line_id] = takes.get(line_id, 0) + taken
                    missing -= taken
            if missing:
                return {}
        return takes

    def give_back(self, verdict: Verdict) -> None:
        """A parcel that passed was not written after all."""
        for line_id, quantity in verdict.takes.items():
            self.left[verdict.order.pk if verdict.order else 0][line_id] += quantity

    def parcels_before(self) -> dict[Waybill, int]:
        """The ids of the parcels that were there before this batch."""
        return {waybill: parcel for waybill, (_order, parcel) in self.waybills.items() if parcel != _NEW}

    def all_shipped(self, order_id: int) -> bool:
        return not any(self.left[order_id].values())


def load(merchant: Merchant, rows: Sequence[Confirmation]) -> Books:
    """Lock the orders, then read everything else in the next statements. Call inside a transaction."""
    numbers = {row.order for row in rows}
    ids = Order.objects.filter(merchant=merchant, number__in=numbers).values_list("pk", flat=True)
    orders = lifecycle.lock(ids)
    warehouses = Warehouse.objects.filter(merchant=merchant, is_active=True)
    used = Shipment.objects.filter(tracking_number__in={row.waybill[1] for row in rows}).only(
        "carrier", "tracking_number", "order_id"
    )
    left, products = quantities_left(orders)
    return Books(
        orders={order.number: order for order in orders.values()},
        warehouses={warehouse.slug: warehouse for warehouse in warehouses},
        waybills={(parcel.carrier, parcel.tracking_number): (parcel.order_id, parcel.pk) for parcel in used},
        left=left,
        products=products,
        may_ship=(S.PAID, "ship", machine.WAREHOUSE) in lifecycle.enabled_rules(),
    )


def quantities_left(orders: Mapping[int, Order]) -> tuple[dict[int, dict[int, int]], dict[int, str]]:
    """Order → order line → quantity not shipped yet, and the lines' products; orders that are locked, or it may change."""
    lines = OrderLine.objects.filter(order_id__in=orders).order_by("order_id", "position")
    shipped = dict(
        ShipmentLine.objects.filter(shipment__order_id__in=orders)
        .values_list("order_line_id")
        .annotate(Sum("quantity"))
        .order_by()
    )
    left: dict[int, dict[int, int]] = {order_id: {} for order_id in orders}
    products: dict[int, str] = {}
    for line in lines:
        left[line.order_id][line.pk] = line.quantity - shipped.get(line.pk, 0)
        products[line.pk] = line.product_id
    return left, products
