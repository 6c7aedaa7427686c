"""What a warehouse reads of an instruction: the same row, whether it fetches it or is sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from logistics.dispatch.instructions import reserve
from logistics.dispatch.paid_value import paid_share
from logistics.models import Dispatch, DispatchLine, Warehouse, WaybillOrder
from orders.models import Order, OrderLine
from ordersite.lib.money import ZERO, format_amount


@dataclass(frozen=True, slots=True)
class Described:
    """An instruction as a warehouse gets it, with the lines of which something is left to send.

    `order` is loaded with the receiver's address. `carrier` is empty, `insured_value` (yuan) None, where not known.
    `is_reminder`: the warehouse was handed it before, in vain.
    """

    dispatch: Dispatch
    warehouse: Warehouse
    order: Order
    lines: Sequence[tuple[DispatchLine, OrderLine]]
    carrier: str = ""
    insured_value: Decimal | None = None
    is_reminder: bool = False

    def as_json(self) -> dict[str, object]:
        """The row; what is not known is left out, and `reminder` where it is none."""
        row: dict[str, object] = {
            "id": self.dispatch.pk,
            "order": self.order.number,
            "warehouse": self.warehouse.slug,
            "lines": [
                {"product_id": goods.product_id, "name": goods.name, "quantity": line.left}
                for line, goods in self.lines
            ],
            "receiver": _receiver(self.order),
        }
        if self.carrier:
            row["carrier"] = self.carrier
        if self.insured_value is not None:
            row["insured_value"] = format_amount(self.insured_value)
        if self.is_reminder:
            row["reminder"] = True
        row["created_at"] = timezone.localtime(self.dispatch.created_at).isoformat()
        return row

    @property
    def personal(self) -> tuple[str, ...]:
        """The names, phones and streets in it, which no log shows."""
        return (self.order.buyer_name, self.order.buyer_phone, self.order.street)


def _receiver(order: Order) -> dict[str, object]:
    address = {name: getattr(order, name) for name in ("province", "city", "district", "street", "postcode")}
    return {"name": order.buyer_name, "phone": order.buyer_phone, "address": address}


def describe(rows: Sequence[Dispatch]) -> list[Described]:
    """Describe these instructions, in their order. A constant number of queries."""
    ids = {row.order_id for row in rows}
    orders = Order.objects.select_related("merchant").in_bulk(ids)
    warehouses = Warehouse.objects.in_bulk({row.warehouse_id for row in rows})
    lines = reserve.lines_of(rows)
    goods = OrderLine.objects.in_bulk({line.order_line_id for own in lines.values() for line in own})
    waybills = _waybills(ids)
    found = []
    for row in rows:
        left = [(line, goods[line.order_line_id]) for line in lines[row.pk] if line.left]
        order = orders[row.order_id]
        waybill = waybills.get((row.order_id, row.warehouse_id))
        found.append(
            Described(
                row,
                warehouses[row.warehouse_id],
                order,
                left,
                carrier=waybill.carrier if waybill else "",
                insured_value=waybill.insured_value if waybill else _insured_value(order, left),
                is_reminder=_is_reminder(row),
            )
        )
    return found


def _is_reminder(row: Dispatch) -> bool:
    """Whether it was handed out before its warehouse was to be reminded; one that was never fetched is new to it."""
    return row.reminded_at is not None and row.sent_at is not None and row.sent_at < row.reminded_at


def _waybills(order_ids: set[int]) -> Mapping[tuple[int, int], WaybillOrder]:
    """The waybills that are being ordered, by order and warehouse: their carrier and insurance are settled."""
    rows = WaybillOrder.objects.reserving().filter(order_id__in=order_ids).order_by("pk")
    return {(row.order_id, row.warehouse_id): row for row in rows}


def _insured_value(order: Order, lines: Sequence[tuple[DispatchLine, OrderLine]]) -> Decimal | None:
    """What the shop wants the parcel insured for (yuan); the carrier may insure less."""
    if not order.merchant.insures_parcels:
        return None
    return paid_share(order, sum((goods.unit_price * line.left for line, goods in lines), ZERO))
