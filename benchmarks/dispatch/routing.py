"""B10: route 10,000 paid orders over 5 warehouses, and hand the instructions out, beside SQL that does not choose.

From the event of the paid order in the outbox to the stored instruction with its stock reserved, in one process. Then
the warehouses fetch their instructions and acknowledge them.
"""

from __future__ import annotations

import time
from decimal import Decimal

from django.db import connection, transaction

from benchmarks.harness.base import Context, Result, measured
from benchmarks.harness.forked import run_forked
from benchmarks.rows import fill
from logistics.dispatch.instructions.pull import MOST_ROWS, Ack, acknowledge, hand_out
from logistics.models import Dispatch, DispatchStatus, Stock, Warehouse
from orders.models import Merchant, Order
from ordersite.flow import FLOW
from ordersite.queue import relay
from ordersite.queue.models import Delivery, OutboxEntry

ORDERS = 10_000
GOAL = 500
PRODUCTS = 200
# Slug, provinces served, cost of a parcel in yuan; the last one serves all of them.
WAREHOUSES = (
    ("shenzhen", ["广东省", "广西", "海南省", "福建省"], 5),
    ("hangzhou", ["浙江省", "上海市", "江苏省", "安徽省"], 6),
    ("beijing", ["北京市", "天津市", "河北省", "山东省"], 7),
    ("chengdu", ["四川省", "重庆市", "云南省", "贵州省", "湖北省", "新疆"], 8),
    ("wuhan", list[str](), 9),
)
_PROVINCES = [province for _slug, regions, _cost in WAREHOUSES for province in regions]
# Of one to three products; every 20th is missing at all warehouses but the last, another 20th there.
_LINES = """
INSERT INTO orders_orderline (order_id, position, product_id, name, quantity, unit_price, amount)
SELECT o.id, n, 'p-' || ((o.id * 7 + n * 31) %% %(products)s), '保温杯', 1 + (o.id + n) %% 3, 8880,
 8880 * (1 + (o.id + n) %% 3)
FROM orders_order o CROSS JOIN generate_series(1, 3) AS n
WHERE n <= 1 + o.id %% 3 AND NOT EXISTS (SELECT 1 FROM orders_orderline l WHERE l.order_id = o.id)
"""
_PROVINCE = (
    "UPDATE orders_order SET province = (%(provinces)s::text[])[1 + id %% %(count)s] WHERE status = 'paid'"
)
_STOCK = """
INSERT INTO logistics_stock (warehouse_id, product_id, on_hand, reserved)
SELECT w.id, 'p-' || p, CASE WHEN p %% 20 = CASE w.slug WHEN 'wuhan' THEN 11 ELSE 0 END THEN 0 ELSE 1000000 END, 0
FROM logistics_warehouse w CROSS JOIN generate_series(0, %(products)s - 1) AS p
"""
_EVENTS = """
INSERT INTO rails_outboxentry (name, subject_id, payload, created_at)
SELECT 'order.paid', id, '{}', now() FROM orders_order WHERE status = 'paid' ORDER BY id
"""
# The nearest warehouse by province, whatever it has: the same rows in one statement for each batch.
_FLOOR_BATCH = 200
_FLOOR = """
WITH taken AS (
 DELETE FROM rails_outboxentry WHERE id IN (
  SELECT id FROM rails_outboxentry ORDER BY id LIMIT %(batch)s FOR UPDATE SKIP LOCKED) RETURNING subject_id),
locked AS (
 SELECT o.id, o.province FROM orders_order o JOIN taken ON taken.subject_id = o.id ORDER BY o.id FOR NO KEY UPDATE OF o),
chosen AS (
 SELECT locked.id, (SELECT w.id FROM logistics_warehouse w
  WHERE w.regions = '[]' OR w.regions ? locked.province
  ORDER BY w.regions = '[]', w.cost LIMIT 1) AS warehouse FROM locked),
made AS (
 INSERT INTO logistics_dispatch (order_id, warehouse_id, status, reasons, refusal, message, created_at)
 SELECT id, warehouse, 'waiting', '{"distance": 1, "cost": "5.00", "priority": 100, "parts": 1}', '', '', now()
 FROM chosen RETURNING id, order_id, warehouse_id),
lines AS (
 INSERT INTO logistics_dispatchline (dispatch_id, order_line_id, product_id, quantity, shipped)
 SELECT made.id, l.id, l.product_id, l.quantity, 0 FROM made JOIN orders_orderline l ON l.order_id = made.order_id
 RETURNING dispatch_id, product_id, quantity),
wanted AS (
 SELECT made.warehouse_id, lines.product_id, sum(lines.quantity) AS quantity
 FROM lines JOIN made ON made.id = lines.dispatch_id GROUP BY 1, 2),
reserved AS (
 UPDATE logistics_stock s SET reserved = s.reserved + wanted.quantity FROM wanted
 WHERE s.warehouse_id = wanted.warehouse_id AND s.product_id = wanted.product_id)
SELECT count(*) FROM taken
"""


def run(context: Context) -> list[Result]:
    merchant = fill.build_shop(buyers=2_000)
    _build_warehouses(merchant)
    rounds = [_round(merchant, number) for number in range(context.runs)]
    routed = max(rounds, key=lambda one: one["routed"])
    handed = max(rounds, key=lambda one: one["handed"])
    return [
        Result(
            "B10",
            f"route {ORDERS:,} paid orders over {len(WAREHOUSES)} warehouses",
            round(routed["routed"]),
            "orders/s",
            floor=round(routed["floor"]),
            ratio=round(routed["routed"] / routed["floor"], 2),
            goal=f">= {GOAL} orders/s",
            met=routed["routed"] >= GOAL,
            foreign_cpu=routed["foreign"],
        ),
        Result(
            "B10",
            "hand out and acknowledge their instructions",
            round(handed["handed"]),
            "instructions/s",
            foreign_cpu=handed["foreign"],
        ),
    ]


def _build_warehouses(merchant: Merchant) -> None:
    for slug, regions, cost in WAREHOUSES:
        Warehouse.objects.create(
            merchant=merchant, slug=slug, name=slug, regions=regions, cost=Decimal(cost), adapter="pull"
        )
    with connection.cursor() as cursor:
        cursor.execute(_STOCK, {"products": PRODUCTS})


def _round(merchant: Merchant, number: int) -> dict[str, float]:
    """One measurement of each: the floor, then the product, then the warehouses."""
    first = number * 2 * ORDERS + 1
    _fill(merchant, first)
    started = time.perf_counter()
    _route_by_sql()
    floor = ORDERS / (time.perf_counter() - started)
    _fill(merchant, first + ORDERS)
    with measured() as watch:
        routed = run_forked(_route)
    _check()
    handed = run_forked(_hand_out)
    return {
        "floor": floor,
        "routed": ORDERS / routed.seconds,
        "handed": handed.result / handed.seconds,
        "foreign": watch.foreign_cpu,
    }


def _fill(merchant: Merchant, first: int) -> None:
    """End what was there, and insert paid orders with their events."""
    Order.objects.filter(status="paid").update(status="closed")
    Dispatch.objects.open().update(status=DispatchStatus.CANCELLED)
    Stock.objects.update(reserved=0)
    fill.build_orders(merchant, first, first + ORDERS - 1, status="'paid'")
    with connection.cursor() as cursor:
        cursor.execute(_LINES, {"products": PRODUCTS})
        cursor.execute(_PROVINCE, {"provinces": _PROVINCES, "count": len(_PROVINCES)})
        cursor.execute(_EVENTS)
    fill.build_lines_and_history()
    fill.settle_down()


def _route_by_sql() -> None:
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FLOOR, {"batch": _FLOOR_BATCH})
            if not cursor.fetchone()[0]:
                break


def _ours() -> relay.Table:
    """The handlers of logistics alone: those of payments look for attempts that these orders do not have."""
    return {
        event: {key: handler for key, handler in keyed.items() if key.startswith("logistics.")}
        for event, keyed in FLOW.items()
    }


def _route() -> int:
    return relay.run(_ours())


def _check() -> None:
    """Every order has its instructions, and some were split. Raises RuntimeError otherwise."""
    routed = Dispatch.objects.open().values("order_id").distinct().count()
    waiting = Delivery.objects.count() + OutboxEntry.objects.count()
    if routed != ORDERS or waiting or Dispatch.objects.open().count() == routed:
        raise RuntimeError(f"{routed} of {ORDERS} orders were routed, {waiting} events are left")


def _hand_out() -> int:
    done = 0
    for warehouse in Warehouse.objects.order_by("pk"):
        while rows := hand_out(warehouse, limit=MOST_ROWS):
            results = acknowledge(warehouse.merchant, [Ack(row.dispatch.pk, ok=True) for row in rows])
            done += sum(result.code == "ok" for result in results)
    return done
