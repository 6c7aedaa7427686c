"""B2: apply a backlog of 20,000 notifications with two drainers, beside the bare SQL of the same effect."""

from __future__ import annotations

import subprocess
import sys
import threading

import psycopg

from benchmarks.harness.base import Context, Result, Watch, best_of, measured
from benchmarks.harness.databases import ROOT
from benchmarks.rows.backlog import make_account, make_backlog
from payments.models import Payment, PaymentAccount, PaymentNotification

BACKLOG = 20_000
DRAINERS = 2
GOAL = 5_000
_DRAINER = """
import sys, django
django.setup()
from django.db import connection
from payments.notifications.apply import drain_notifications
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
drain_notifications()
"""
# One batch of 200: claim, pay attempt and order, history with its hash, outbox, done. Nothing is decided.
_FLOOR = """
WITH due AS (
  SELECT id FROM payments_paymentnotification WHERE done_at IS NULL AND id > %(after)s AND due_at <= now()
  ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED
), n AS (
  UPDATE payments_paymentnotification q SET done_at = now(), outcome = 'applied', attempts = 1
  FROM due WHERE q.id = due.id RETURNING q.id, q.reference, q.provider_reference, q.occurred_at, q.body_digest
), p AS (
  UPDATE payments_payment y SET status = 'paid', paid_at = n.occurred_at, provider_reference = n.provider_reference
  FROM n WHERE y.reference = n.reference AND y.status = 'open'
  RETURNING y.order_id, n.id AS notification_id, n.occurred_at, n.body_digest
), o AS (
  UPDATE orders_order r SET status = 'paid', paid_at = p.occurred_at, history_seq = r.history_seq + 1,
    history_hash = encode(sha256(convert_to(r.number || r.history_seq || r.history_hash || p.body_digest, 'UTF8')), 'hex')
  FROM p WHERE r.id = p.order_id AND r.status = 'pending'
  RETURNING r.id, r.history_seq, r.history_hash, p.notification_id, p.occurred_at, p.body_digest
), h AS (
  INSERT INTO orders_orderevent (order_id, seq, kind, from_status, to_status, trigger, actor_kind, actor_id, evidence,
    text_digest, at, recorded_at, version, prev_hash, hash)
  SELECT id, history_seq, 'transition', 'pending', 'paid', 'notification', 'provider', 'bench',
    '{"kind":"notification","id":"' || notification_id || '","sha256":"' || body_digest || '"}', '', occurred_at, now(), 1,
    history_hash, history_hash FROM o
), e AS (
  INSERT INTO rails_outboxentry (name, subject_id, payload, created_at)
  SELECT 'order.paid', id, '{"trigger": "notification"}', now() FROM o
)
SELECT count(*), max(id) FROM n
"""


def run(context: Context) -> list[Result]:
    return compare(context, make_account(), id="B2")


def compare(context: Context, account: PaymentAccount, *, id: str) -> list[Result]:
    """Measure the product and the bare SQL, each on a backlog of its own."""
    floor = best_of(context.runs, lambda: _measure_floor(context, account), lambda watch: -watch.seconds)
    ours = best_of(context.runs, lambda: _measure_drain(account), lambda watch: -watch.seconds)
    rate, bare = BACKLOG / ours.seconds, BACKLOG / floor.seconds
    return [
        Result(
            id=id,
            name=f"notifications applied by {DRAINERS} drainers",
            value=round(rate),
            unit="1/s",
            floor=round(bare),
            ratio=round(rate / bare, 3),
            goal=f">= {GOAL}/s",
            met=rate >= GOAL,
            foreign_cpu=ours.foreign_cpu,
        )
    ]


def _measure_floor(context: Context, account: PaymentAccount) -> Watch:
    make_backlog(account, BACKLOG)
    threads = [threading.Thread(target=_drain_bare, args=(context.database_url,)) for _ in range(DRAINERS)]
    with measured() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    _check_all_done()
    return watch


def _drain_bare(url: str) -> None:
    after = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            row = connection.execute(_FLOOR, {"after": after}).fetchone()
            if row is None or not row[0]:
                return
            after = row[1]


def _measure_drain(account: PaymentAccount) -> Watch:
    make_backlog(account, BACKLOG)
    command = [sys.executable, "-c", _DRAINER]
    drainers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(DRAINERS)
    ]
    for drainer in drainers:
        assert drainer.stdout
        drainer.stdout.readline()
    with measured() as watch:
        for drainer in drainers:
            assert drainer.stdin
            drainer.stdin.write("go\n")
            drainer.stdin.flush()
        for drainer in drainers:
            drainer.wait()
    _check_all_done()
    return watch


def _check_all_done() -> None:
    """Raise RuntimeError unless all notifications were applied."""
    left = PaymentNotification.objects.exclude(outcome="applied").count()
    unpaid = Payment.objects.exclude(status="paid").count()
    bare = PaymentNotification.objects.filter(done_at__isnull=True).count()
    if left or unpaid or bare:
        raise RuntimeError(f"{left} notifications are not applied, {unpaid} payments are not paid")
