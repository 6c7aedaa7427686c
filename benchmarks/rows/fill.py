"""Inserts orders by the hundred thousand with set-based SQL: valid rows with realistic numbers, phones and times."""

from __future__ import annotations

from django.db import connection

from orders.models import Merchant

_BUYERS = """
INSERT INTO orders_buyer (merchant_id, outside_id, name, phone, openid, email, tier)
SELECT %(merchant)s, 'fill-' || i, '王小明', '1' || (30 + i %% 70) || lpad((i * 7919 %% 100000000)::text, 8, '0'), '', '',
 CASE WHEN i %% 50 = 0 THEN 'important' ELSE 'normal' END
FROM generate_series(%(first)s, %(last)s) AS i
"""
# Days and minutes go up with the primary key, as they do when orders come in; letters are i, scrambled.
_ORDERS = """
INSERT INTO orders_order (number, merchant_id, buyer_id, status, held, hold_reason, currency, goods_amount, shipping_fee,
 discount, total_amount, refunds_pending, refunded_amount, buyer_name, buyer_phone, is_important, province, city,
 district, street, postcode, note, device_id, client_ip, created_at, close_due_at, payment_started_at,
 paid_at, shipped_at, completed_at, closed_at, product_set, minute, twin_number, tracking_token, history_seq, history_hash)
SELECT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYYMMDD') || '-' || substr(letters, 1, 4) || '-' || substr(letters, 5),
 b.merchant_id, b.id, s, false, '', 'CNY', 26640, 0, 0, 26640, 0, 0, b.name, b.phone, b.tier = 'important', '广东省',
 '深圳市', '南山区', '科技园 1 号', '', '', '', '', at, at + interval '30 minutes', %(tried)s,
 CASE WHEN s IN ('paid', 'shipped', 'completed', 'refunded') THEN at + interval '2 minutes' END,
 CASE WHEN s IN ('shipped', 'completed') THEN at + interval '1 day' END,
 CASE WHEN s = 'completed' THEN at + interval '3 days' END,
 CASE WHEN s = 'closed' THEN at + interval '30 minutes' END,
 md5('p' || i) || md5('p' || i), extract(epoch FROM at)::bigint / 60, 0, 'fill-' || i, 0, ''
FROM (SELECT i, now() - interval '1 second' * (%(last)s - i + %(age)s) AS at, {status} AS s,
  lpad(upper(to_hex(i * 2654435761 %% 4294967296)), 8, '0') AS letters
 FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i) AS n
JOIN orders_buyer b ON b.merchant_id = %(merchant)s AND b.outside_id = 'fill-' || (i %% %(buyers)s + 1)
"""
_LINES = """
INSERT INTO orders_orderline (order_id, position, product_id, name, quantity, unit_price, amount)
SELECT o.id, 1, 'cup-1', '保温杯', 3, 8880, 26640 FROM orders_order o
WHERE NOT EXISTS (SELECT 1 FROM orders_orderline l WHERE l.order_id = o.id)
"""
_EVENTS = """
INSERT INTO orders_orderevent (order_id, seq, kind, from_status, to_status, trigger, actor_kind, actor_id, evidence,
 text_digest, at, recorded_at, version, prev_hash, hash)
SELECT id, 1, 'created', '', status, 'api', 'client', '1', '', '', created_at, created_at, 1, '', md5(number)
 || md5(number) FROM orders_order WHERE history_seq = 0
"""
_HEADS = (
    "UPDATE orders_order SET history_seq = 1, history_hash = md5(number) || md5(number) WHERE history_seq = 0"
)
# Of a hundred orders 85 are done, 6 closed, 4 under way, 3 paid, 1 sent back, 1 not paid yet.
MIXED = (
    "CASE WHEN i % 100 < 85 THEN 'completed' WHEN i % 100 < 91 THEN 'closed' WHEN i % 100 < 95 THEN 'shipped'"
    " WHEN i % 100 < 98 THEN 'paid' WHEN i % 100 < 99 THEN 'refunded' ELSE 'pending' END"
)
PENDING = "'pending'"


def build_shop(slug: str = "fill", *, buyers: int = 50_000) -> Merchant:
    """Insert a merchant with that many buyers. Lifts the statement timeout, since filling takes long."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    merchant = Merchant.objects.create(slug=slug, name=slug)
    with connection.cursor() as cursor:
        cursor.execute(_BUYERS, {"merchant": merchant.pk, "first": 1, "last": buyers})
    return merchant


def build_orders(
    merchant: Merchant, first: int, last: int, *, status: str = MIXED, tried: bool = False
) -> None:
    """Insert the orders `first` to `last`, one a second until an hour ago, without lines and history."""
    values = {
        "merchant": merchant.pk,
        "first": first,
        "last": last,
        "age": 3_600,
        "buyers": merchant.buyer_set.count(),
        "tried": "now" if tried else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS.replace("{status}", status.replace("%", "%%")), values)


def build_lines_and_history() -> None:
    """Insert a line and a first history line (with a made-up hash) for each order that has none."""
    with connection.cursor() as cursor:
        for statement in (_LINES, _EVENTS, _HEADS):
            cursor.execute(statement)


def settle_down() -> None:
    """VACUUM and ANALYZE, as autovacuum does some time after so many inserts."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
