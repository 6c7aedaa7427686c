"""Builders of warehouses, parcels and carrier accounts for tests."""

from __future__ import annotations

import itertools
from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from logistics.accounts import save_account
from logistics.carriers.types import CityStrip, Route, RouteEvent, TrackingStatus
from logistics.dispatch.confirm import Confirmation, ConfirmationResult, ProductQuantity, confirm_shipments
from logistics.dispatch.route import apply_route
from logistics.models import CarrierAccount, Shipment, Warehouse, WaybillOrder
from orders import machine
from orders.history.lines import Actor
from orders.models import Merchant, Order, OrderLine
from orders.tests.builders import build_merchant, build_order, move

ERP = Actor("client", "erp")
_serial = itertools.count(1000000000001)
# The column is a small integer, unique among the like orders of a buyer.
_twins = itertools.cycle(range(100, 32_000))


def build_warehouse(merchant: Merchant | None = None, *, slug: str = "main") -> Warehouse:
    shop = merchant or build_merchant()
    return Warehouse.objects.get_or_create(merchant=shop, slug=slug, defaults={"name": slug})[0]


def build_paid(*, merchant: Merchant | None = None, cups: int = 1, lids: int = 0) -> Order:
    """Build a paid order of `cups` of cup-1 and `lids` of lid-1, and its warehouse."""
    order = build_order(merchant=merchant, quantity=cups, total=f"{cups * 10}.00")
    if lids:
        build_lids(order, lids)
    build_warehouse(order.merchant)
    move(order, "pay", machine.NOTIFICATION)
    return Order.objects.get(pk=order.pk)


def build_lids(order: Order, lids: int) -> None:
    """Add a second line, of lid-1 and free of charge."""
    OrderLine.objects.create(
        order=order, position=2, product_id="lid-1", name="杯盖", quantity=lids,
        unit_price=Decimal("0.00"), amount=Decimal("0.00"),
    )  # fmt: skip


def new_number(prefix: str = "YT") -> str:
    return f"{prefix}{next(_serial)}"


def parcel_of(order: Order, *, number: str = "", carrier: str = "yto", cups: int = 0) -> Confirmation:
    """A confirmation of one parcel; 0 `cups` means all that is left of the order."""
    return Confirmation(
        order=order.number,
        warehouse="main",
        carrier=carrier,
        tracking_number=number or new_number(),
        lines=(ProductQuantity("cup-1", cups),) if cups else (),
    )


def confirm(merchant: Merchant, *rows: Confirmation) -> list[ConfirmationResult]:
    return confirm_shipments(merchant, rows, actor=ERP, digest="ab" * 32)


def parcel_in(result: ConfirmationResult) -> Shipment:
    """The parcel that a confirmation inserted."""
    return Shipment.objects.get(pk=result.shipment or 0)


def build_shipment(*, order: Order | None = None, carrier: str = "yto", number: str = "") -> Shipment:
    """Build a parcel with all of a paid order in it."""
    paid = order or build_paid()
    return parcel_in(confirm(paid.merchant, parcel_of(paid, number=number, carrier=carrier))[0])


def build_parcels(number: int, model: Shipment, *, prefix: str) -> None:
    """Due parcels of the carrier of `model`, each of an order of its own; numbers begin with the two signs of its own."""
    orders = list[Order]()
    for n in range(number):
        order = Order.objects.get(pk=model.order_id) if not orders else copy(orders[0])
        order.pk, order.number = None, f"{prefix}{n}"
        order.twin_number, order.tracking_token = next(_twins), f"{prefix:x>20}{n:012}"
        orders.append(order)
    Order.objects.bulk_create(orders)
    Shipment.objects.bulk_create(
        Shipment(
            order_id=order.pk, merchant_id=model.merchant_id, warehouse_id=model.warehouse_id,
            carrier=model.carrier, tracking_number=f"{model.tracking_number[:2]}{prefix}{n:09d}",
            shipped_at=timezone.now(), next_check_at=timezone.now(),
        )
        for n, order in enumerate(orders)
    )  # fmt: skip


def build_account(
    url: str,
    *,
    merchant: Merchant | None = None,
    floor: int = 0,
    slug: str = "k100",
    **more: str | int,
) -> CarrierAccount:
    data = {"customer": "CUSTOMER", "key": "KEY", "query_url": url, "min_interval_seconds": floor, **more}
    return save_account(slug, carrier="kuaidi100", merchant=merchant or build_merchant(), data=data).account


def build_waybill_order(shipment: Shipment, account: CarrierAccount) -> WaybillOrder:
    """Build the waybill that was ordered for this parcel; the carrier gave no label."""
    waybill = WaybillOrder(
        merchant_id=shipment.merchant_id,
        order_id=shipment.order_id,
        account=account,
        warehouse_id=shipment.warehouse_id,
        parcel=shipment,
        reference=f"TEST{shipment.pk:020}",
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        actor_kind="staff",
    )
    waybill.make(timezone.now())
    waybill.save(force_insert=True)
    return waybill


def event(minute: int, status: TrackingStatus, text: str, *, code: str = "") -> RouteEvent:
    """An event `minute` minutes after one o'clock of a day in the past."""
    at = datetime(2026, 11, 1, 1, 0, tzinfo=UTC) + timedelta(minutes=minute)
    return RouteEvent(at=at, status=status, text=text, location="杭州市", provider_code=code)


def route_of(*events: RouteEvent, cities: CityStrip | None = None) -> Route:
    return Route(events=tuple(events), status=events[-1].status, cities=cities or CityStrip(), raw="{}")


def age(shipment: Shipment, by: timedelta) -> None:
    """Set all times of a parcel back: it left so long ago and was last polled then."""
    then = timezone.now() - by
    Shipment.objects.filter(pk=shipment.pk).update(shipped_at=then, created_at=then, last_poll_at=then)


def build_travelling() -> Shipment:
    """Build a parcel in transit from 深圳 to 北京 with two events, YT1234567890123."""
    parcel = build_shipment(number="YT1234567890123")
    strip = CityStrip(origin="深圳市", current="武汉市", destination="北京市")
    way = route_of(
        event(0, TrackingStatus.PICKED_UP, "快件已被揽收"),
        event(60, TrackingStatus.IN_TRANSIT, "快件离开深圳转运中心"),
        cities=strip,
    )
    apply_route(parcel, way, next_check_in=timedelta(hours=2))
    return Shipment.objects.select_related("order").get(pk=parcel.pk)
