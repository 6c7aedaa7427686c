"""A shop in which everything happens at once and in any order, and the sums that must hold at every commit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from logistics.dispatch.confirm import Confirmation, ProductQuantity, confirm_shipments
from logistics.dispatch.instructions.pull import Ack, acknowledge, hand_out
from logistics.dispatch.instructions.tests.builders import build_pull, count, run_events
from logistics.models import Dispatch, Warehouse
from logistics.stock.levels import Level, report_stock
from logistics.tests.builders import ERP, build_lids, build_warehouse, new_number
from logistics.warehouses.save import save_announced
from logistics.waybills.reserve import WantedWaybill, reserve
from logistics.waybills.resolve import order_now, resolve_waybills
from logistics.waybills.tests.builders import SLUG, build_small_account
from logistics.waybills.tests.small_carrier import NAME, SmallCarrier
from orders import machine
from orders.changes import Hold, PartialRefund, ReleaseHold, ReleaseRefund, ReserveRefund
from orders.history.lines import Actor, Evidence
from orders.models import Merchant, Order
from orders.tests.builders import apply_changes, build_merchant, build_order, move
from ordersite.lib.errors import DomainError

STAFF = Actor("staff", "1")
# Counted once and never again, so that what is on the shelf and what has left add up.
PLENTY = 1_000_000
SLUGS = ("hz", "sh", "cd", "main")
REFUSALS = ("out_of_stock", "address_unserved", "damaged")

# One statement sees one moment: what other sessions commit meanwhile is in it as a whole or not at all.
SUMS = {
    "reserved is what open instructions have left": """
        SELECT warehouse_id, product_id, sum(reserved), sum(asked) FROM (
          SELECT warehouse_id, product_id, reserved, 0 AS asked FROM logistics_stock UNION ALL
          SELECT d.warehouse_id, l.product_id, 0, l.quantity - l.shipped FROM logistics_dispatchline l
          JOIN logistics_dispatch d ON d.id = l.dispatch_id WHERE d.status IN ('waiting', 'sent', 'accepted')
        ) AS both_sides GROUP BY 1, 2 HAVING sum(reserved) <> sum(asked)""",
    "no stock is negative": "SELECT id, on_hand, reserved FROM logistics_stock WHERE on_hand < 0 OR reserved < 0",
    "no piece is shipped or promised twice": """
        SELECT line.id, line.quantity, sum(gone.quantity) FROM orders_orderline line JOIN (
          SELECT order_line_id, quantity FROM logistics_shipmentline UNION ALL
          SELECT l.order_line_id, l.quantity FROM logistics_waybillline l
          JOIN logistics_waybillorder w ON w.id = l.waybill_id WHERE w.status IN ('requested', 'unknown')
        ) AS gone ON gone.order_line_id = line.id GROUP BY 1, 2 HAVING sum(gone.quantity) > line.quantity""",
    "no piece is instructed that is in a parcel": """
        SELECT line.id, line.quantity, sum(gone.quantity) FROM orders_orderline line JOIN (
          SELECT order_line_id, quantity FROM logistics_shipmentline UNION ALL
          SELECT l.order_line_id, l.quantity - l.shipped FROM logistics_dispatchline l
          JOIN logistics_dispatch d ON d.id = l.dispatch_id WHERE d.status IN ('waiting', 'sent', 'accepted')
        ) AS gone ON gone.order_line_id = line.id GROUP BY 1, 2 HAVING sum(gone.quantity) > line.quantity""",
}


def broken_sums() -> dict[str, list[Any]]:
    """The sums that do not hold now, with the first rows that show it."""
    found = {}
    with connection.cursor() as cursor:
        for name, sql in SUMS.items():
            cursor.execute(sql)
            if rows := cursor.fetchmany(3):
                found[name] = rows
    return found


@dataclass(slots=True)
class RandomShop:
    """Four warehouses, three of which take instructions. `done` counts what has happened by name."""

    merchant: Merchant
    orders: list[int] = field(default_factory=list)
    numbers: list[Confirmation] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def step(self, rng: random.Random) -> None:
        """Do one thing."""
        names = list(OPERATIONS)
        [name] = rng.choices(names, [OPERATIONS[one][0] for one in names])
        OPERATIONS[name][1](self, rng)
        self.done[name] += 1

    def some(self, rng: random.Random) -> Order:
        """One of the youngest orders: there they meet."""
        return Order.objects.select_related("merchant").get(pk=rng.choice(self.orders[-40:]))


def build_random_shop(carrier: SmallCarrier) -> RandomShop:
    shop = RandomShop(build_merchant())
    build_warehouse(shop.merchant)
    for warehouse in (
        build_pull("hz", "浙江省", cost="5.00"),
        build_pull("sh", "上海市", "浙江省", cost="6.00"),
        build_pull("cd", cost="9.00"),
    ):
        count(warehouse, "cup-1", PLENTY)
        count(warehouse, "lid-1", 20)
    build_small_account(carrier)
    for _order in range(10):
        place(shop, random.Random(_order))
    return shop


def place(shop: RandomShop, rng: random.Random) -> None:
    cups = rng.randint(1, 3)
    order = build_order(merchant=shop.merchant, quantity=cups, total=f"{cups * 10}.00")
    if lids := rng.randint(0, 4):
        build_lids(order, lids)
    shop.orders.append(order.pk)
    if rng.random() < 0.9:
        move(order, "pay", machine.NOTIFICATION)


def pay(shop: RandomShop, rng: random.Random) -> None:
    move(shop.some(rng), "pay", machine.QUERY)


def close(shop: RandomShop, rng: random.Random) -> None:
    move(shop.some(rng), "close", machine.STAFF_CANCEL)


def hold(shop: RandomShop, rng: random.Random) -> None:
    apply_changes(Hold(shop.some(rng).pk, STAFF, "look"))


def release(shop: RandomShop, rng: random.Random) -> None:
    apply_changes(ReleaseHold(shop.some(rng).pk, STAFF, "fine"))


def refund(shop: RandomShop, rng: random.Random) -> None:
    """A refund is asked for, which stops the order, and ends: in whole, in part or not at all."""
    order, now = shop.some(rng), timezone.now()
    if order.status not in ("paid", "shipped"):
        return
    asked = Evidence("refund", str(order.pk), "ab")
    total = order.total_amount * rng.choice((1, 2, 4)) / 4
    apply_changes(ReserveRefund(order.pk, total, STAFF, asked))
    if rng.random() < 0.4:
        run_events()
    if rng.random() < 0.6 and total == order.total_amount:
        move(order, "refund", machine.REFUND_CONFIRMED)
    elif rng.random() < 0.6:
        apply_changes(PartialRefund(order.pk, total, STAFF, asked, now))
    apply_changes(ReleaseRefund(order.pk, total, STAFF, asked))


def events(_shop: RandomShop, _rng: random.Random) -> None:
    run_events()


def pull(shop: RandomShop, rng: random.Random) -> None:
    """A warehouse fetches and acknowledges: most it takes, some it refuses, some it leaves."""
    warehouse = Warehouse.objects.get(merchant=shop.merchant, slug=rng.choice(SLUGS))
    acks = []
    for one in hand_out(warehouse, limit=rng.randint(1, 20)):
        luck = rng.random()
        if luck < 0.6:
            acks.append(Ack(one.dispatch.pk, ok=True))
        elif luck < 0.85:
            acks.append(Ack(one.dispatch.pk, ok=False, code=rng.choice(REFUSALS), message="no"))
    rng.shuffle(acks)
    acknowledge(shop.merchant, acks)


def confirm(shop: RandomShop, rng: random.Random) -> None:
    """Parcels of what was instructed, of what was not, in part, from another warehouse, and some said once more."""
    rows = [_parcel(dispatch, rng) for dispatch in _instructed(shop, rng)]
    for _more in range(rng.randint(0, 2)):
        rows.append(_confirmation(shop.some(rng).number, rng.choice(SLUGS), rng))
    shop.numbers += rows
    rows += rng.sample(shop.numbers, min(1, len(shop.numbers)))
    rng.shuffle(rows)
    confirm_shipments(shop.merchant, rows, actor=ERP)


def _instructed(shop: RandomShop, rng: random.Random) -> list[Dispatch]:
    found = (
        Dispatch.objects.open().filter(order_id__in=shop.orders[-60:]).select_related("order", "warehouse")
    )
    rows = list(found)
    return rng.sample(rows, min(len(rows), rng.randint(1, 5)))


def _parcel(dispatch: Dispatch, rng: random.Random) -> Confirmation:
    slug = dispatch.warehouse.slug if rng.random() < 0.9 else rng.choice(SLUGS)
    return _confirmation(dispatch.order.number, slug, rng)


def _confirmation(order: str, slug: str, rng: random.Random) -> Confirmation:
    lines: tuple[ProductQuantity, ...] = ()
    if rng.random() < 0.4:
        lines = (ProductQuantity(rng.choice(("cup-1", "lid-1")), rng.randint(1, 2)),)
    return Confirmation(order=order, warehouse=slug, carrier="yto", tracking_number=new_number(), lines=lines)


def waybill(shop: RandomShop, rng: random.Random) -> None:
    """A waybill is ordered while the warehouses are at work on the same goods."""
    wanted = WantedWaybill(carrier=NAME, account=SLUG, warehouse=rng.choice(SLUGS))
    try:
        with transaction.atomic():
            row = reserve(shop.some(rng), wanted, actor=STAFF)
    except DomainError:
        return
    if rng.random() < 0.8:
        order_now(row)


def resolve(_shop: RandomShop, _rng: random.Random) -> None:
    resolve_waybills(seconds=0.2)


def stock(shop: RandomShop, rng: random.Random) -> None:
    rows = [Level(slug, "lid-1", rng.choice((0, 1, 2, 3, 9))) for slug in rng.sample(SLUGS, 2)]
    report_stock(shop.merchant, rows)


def warehouse(shop: RandomShop, rng: random.Random) -> None:
    """One is changed: whom it serves, what it costs, whether it takes instructions."""
    data = {
        "regions": rng.choice(([], ["浙江省"], ["上海市", "浙江省"], ["四川省"])),
        "adapter": rng.choice(("pull", "pull", "pull", "none")),
        "cost": rng.choice(("5.00", "7.00")),
    }
    save_announced(rng.choice(SLUGS[:3]), merchant=shop.merchant, data=data)


Operation = Callable[[RandomShop, random.Random], None]
# Name → how often, and what.
OPERATIONS: dict[str, tuple[int, Operation]] = {
    "place": (24, place),
    "pay": (3, pay),
    "close": (3, close),
    "hold": (6, hold),
    "release": (6, release),
    "refund": (4, refund),
    "events": (22, events),
    "pull": (12, pull),
    "confirm": (14, confirm),
    "waybill": (3, waybill),
    "resolve": (1, resolve),
    "stock": (8, stock),
    "warehouse": (2, warehouse),
}


def has_left(product: str, slug: str) -> int:
    """How much of a product is in the parcels of a warehouse."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(l.quantity), 0) FROM logistics_shipmentline l"
            " JOIN logistics_shipment s ON s.id = l.shipment_id JOIN logistics_warehouse w ON w.id = s.warehouse_id"
            " JOIN orders_orderline o ON o.id = l.order_line_id WHERE o.product_id = %s AND w.slug = %s",
            [product, slug],
        )
        return int(cursor.fetchone()[0])
