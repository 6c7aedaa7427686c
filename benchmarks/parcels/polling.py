"""B8: parcels polled per second of one process against the sandbox, beside the bare calls and one bare row for each.

The sandbox is a process of its own on this machine, so that both share its processors with it. Every parcel brings its
first event: an order is locked, the event and the parcel are written, and the call is logged.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from benchmarks.harness.base import Context, Result, measured
from benchmarks.harness.forked import run_forked
from benchmarks.rows import fill
from logistics.accounts import keys_of, save_account
from logistics.carriers.kuaidi100.requests import query_form
from logistics.carriers.types import CarrierKeys, TrackingQuery
from logistics.models import CarrierAccount, Shipment, TrackingEvent, Warehouse
from logistics.tracking.pace import MOST_AT_ONCE
from logistics.tracking.run import poll_tracking
from orders.models import Merchant
from ordersite.lib.http import gateway
from sandbox.carrier.kuaidi100 import CUSTOMER, KEY
from sandbox.tests.running import started

PARCELS = 2_000
# 50,000 open parcels in two hours, five times over.
GOAL = 5 * 50_000 / 7_200
MOST_MEGABYTES = 250
SHIPPED = "'shipped'"
_PARCELS = """
INSERT INTO logistics_shipment (order_id, merchant_id, warehouse_id, carrier, tracking_number, status, tracking_status,
 shipped_at, created_at, is_important, next_check_at, checks, check_failures, last_problem, origin_city, current_city,
 destination_city)
SELECT o.id, o.merchant_id, %s, 'yto', 'YT' || lpad(o.id::text, 13, '0'), 'shipped', 'pending', now(), now(),
 o.is_important, now(), 0, 0, '', '', '', ''
FROM orders_order o WHERE NOT EXISTS (SELECT 1 FROM logistics_shipment s WHERE s.order_id = o.id)
"""


def run(context: Context) -> list[Result]:
    merchant = fill.build_shop(buyers=2_000)
    rounds = []
    with started(context.folder / "sandbox", SANDBOX_PARCEL_SECONDS="1000000") as outside:
        account = _account(merchant, f"{outside.url}/kuaidi100/query.do")
        for number in range(context.runs):
            floor = _bare(keys_of(account), f"FLOOR{number}")
            _fill(merchant, number * PARCELS)
            with measured() as watch:
                polled = run_forked(_poll)
            _check()
            rounds.append((PARCELS / polled.seconds, floor, polled.megabytes, watch.foreign_cpu))
    rate, floor, megabytes, foreign = max(rounds)
    return [
        Result(
            "B8",
            "parcels polled per second of one process",
            round(rate, 1),
            "parcels/s",
            floor=round(floor, 1),
            ratio=round(rate / floor, 2),
            goal=f">= {GOAL:.0f}",
            met=rate >= GOAL,
            foreign_cpu=foreign,
        ),
        Result(
            "B8",
            "memory of the polling process at its highest",
            round(megabytes, 1),
            "MB",
            goal=f"< {MOST_MEGABYTES} MB",
            met=megabytes < MOST_MEGABYTES,
            foreign_cpu=foreign,
        ),
    ]


def _account(merchant: Merchant, url: str) -> CarrierAccount:
    data = {"customer": CUSTOMER, "key": KEY, "query_url": url, "queries_per_second": "200"}
    return save_account("bench", carrier="kuaidi100", merchant=merchant, data=data).account


def _fill(merchant: Merchant, start: int) -> None:
    """Insert parcels that are due now; those of a round before are polled no more."""
    Shipment.objects.update(next_check_at=None)
    TrackingEvent.objects.all().delete()
    warehouse, _made = Warehouse.objects.get_or_create(merchant=merchant, slug="bench", name="bench")
    fill.build_orders(merchant, start + 1, start + PARCELS, status=SHIPPED)
    fill.build_lines_and_history()
    with connection.cursor() as cursor:
        cursor.execute(_PARCELS, [warehouse.pk])
    fill.settle_down()


def _poll() -> None:
    while poll_tracking().asked:
        pass


def _check() -> None:
    polled = Shipment.objects.filter(next_check_at__isnull=False, last_checked_at__isnull=False).count()
    events = TrackingEvent.objects.count()
    if (polled, events) != (PARCELS, PARCELS):
        raise RuntimeError(f"{polled} parcels were polled, {events} events stored")


def _bare(keys: CarrierKeys, prefix: str) -> float:
    """The same calls from as many threads, each answer stored as one row: calls a second."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bare (number text, body text)")

    def ask(number: str) -> str:
        query = TrackingQuery(carrier="sto", tracking_number=number)
        content = query_form(query, keys).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return gateway().post(keys.config["query_url"], content=content, headers=headers).body.decode()

    numbers = [f"{prefix}{n:09d}" for n in range(PARCELS)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool, connection.cursor() as cursor:
        for number, body in zip(numbers, pool.map(ask, numbers), strict=True):
            cursor.execute("INSERT INTO bare VALUES (%s, %s)", [number, body])
    return PARCELS / (time.perf_counter() - begun)
