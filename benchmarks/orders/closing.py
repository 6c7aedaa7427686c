"""B4: close 100,000 overdue orders, 500 of them with a payment attempt, beside set-based SQL with the same history."""

from __future__ import annotations

import time
from typing import Any

from django.db import connection, transaction

from benchmarks.harness.base import Context, Result, measured
from benchmarks.harness.forked import run_forked
from benchmarks.rows import fill
from orders import closing
from orders.models import Order, OrderEvent

ORDERS = 100_000
TRIED = 500
GOAL_SECONDS = 8.0
MOST_MEGABYTES = 100
_FLOOR_BATCH = 5_000
# The same effect in one statement a batch: state, head, chained hash, history, outbox.
_FLOOR = """
WITH due AS (
 SELECT id, number, history_seq, history_hash FROM orders_order
 WHERE status = 'pending' AND payment_started_at IS NULL AND close_due_at <= now()
 ORDER BY close_due_at, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED),
line AS (
 SELECT id, number, history_seq + 1 AS seq, history_hash AS before,
  encode(sha256(convert_to(concat_ws(',', '[1', '"' || number || '"', history_seq + 1,
   '"transition","pending","closed","timeout","system","","",""', (extract(epoch FROM now()) * 1000000)::bigint,
   (extract(epoch FROM now()) * 1000000)::bigint, '"' || history_hash || '"]'), 'UTF8')), 'hex') AS hash FROM due),
changed AS (
 UPDATE orders_order o SET status = 'closed', closed_at = now(), closing_at = NULL, history_seq = line.seq,
  history_hash = line.hash FROM line WHERE o.id = line.id AND o.status = 'pending' RETURNING o.id),
written AS (
 INSERT INTO orders_orderevent (order_id, seq, kind, from_status, to_status, trigger, actor_kind, actor_id, evidence,
  text_digest, at, recorded_at, version, prev_hash, hash)
 SELECT id, seq, 'transition', 'pending', 'closed', 'timeout', 'system', '', '', '', now(), now(), 1, before, hash
 FROM line),
published AS (
 INSERT INTO rails_outboxentry (name, subject_id, payload, created_at)
 SELECT 'order.closed', id, jsonb_build_object('trigger', 'timeout', 'number', number), now() FROM line)
SELECT count(*) FROM changed
"""


def run(context: Context) -> list[Result]:
    merchant = fill.build_shop(buyers=2_000)
    rounds = []
    for number in range(context.runs):
        start = number * 2 * ORDERS
        _fill(merchant, start + 1)
        floor = _timed(_close_by_sql)
        _fill(merchant, start + ORDERS + 1)
        rounds.append((_timed(_close_in_a_process), floor))
    (seconds, foreign, megabytes), (floor_seconds, _foreign, _nothing) = min(
        rounds, key=lambda pair: pair[0][0]
    )
    closed = ORDERS - TRIED
    return [
        Result(
            "B4",
            f"close {closed:,} overdue orders and hand over {TRIED}",
            round(seconds, 2),
            "s",
            floor=round(floor_seconds, 2),
            ratio=round(seconds / floor_seconds, 2),
            goal=f"<= {GOAL_SECONDS:.0f} s and <= 3 x",
            met=seconds <= GOAL_SECONDS and seconds <= 3 * floor_seconds,
            foreign_cpu=foreign,
        ),
        Result(
            "B4",
            "memory of the closing process at its highest",
            round(megabytes, 1),
            "MB",
            goal=f"< {MOST_MEGABYTES} MB",
            met=megabytes < MOST_MEGABYTES,
            foreign_cpu=foreign,
        ),
    ]


def _fill(merchant: Any, first: int) -> None:
    Order.objects.filter(status="pending").update(status="closed")
    fill.build_orders(merchant, first, first + ORDERS - TRIED - 1, status=fill.PENDING)
    fill.build_orders(merchant, first + ORDERS - TRIED, first + ORDERS - 1, status=fill.PENDING, tried=True)
    fill.build_lines_and_history()
    fill.settle_down()


def _timed(work: Any) -> tuple[float, float, float]:
    """Return the seconds and megabytes that the work reports, with the cores used by other programs in between."""
    with measured() as watch:
        seconds, megabytes = work()
    return seconds, watch.foreign_cpu, megabytes


def _close_by_sql() -> tuple[float, float]:
    started = time.perf_counter()
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FLOOR, [_FLOOR_BATCH])
            if not cursor.fetchone()[0]:
                break
    return time.perf_counter() - started, 0.0


def _close_in_a_process() -> tuple[float, float]:
    lines = OrderEvent.objects.count()
    run = run_forked(closing.close_overdue)
    added = OrderEvent.objects.count() - lines
    if (run.result, added) != (ORDERS, ORDERS):
        raise RuntimeError(f"{run.result} orders were treated, {added} history lines written")
    return run.seconds, run.megabytes
