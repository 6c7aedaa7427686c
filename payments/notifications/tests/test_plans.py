"""No statement of the hot paths reads a big table whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import Order
from payments.models import Payment, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.rejected import has_room
from payments.tests import builders as build

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
ROWS = 50_000
BIG = ("orders_order", "orders_orderevent", "payments_payment", "payments_paymentnotification")
_COPY = "INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, generate_series(1, {rows}) g WHERE id = {pk}"


def multiply(row: Order | Payment | PaymentNotification, changes: dict[str, str]) -> None:
    """Fill a table with copies of a row; `changes` are SQL for the columns that must differ."""
    fields = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    values = ", ".join(changes.get(column, f'"{column}"') for column in fields)
    columns = ", ".join(f'"{column}"' for column in fields)
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(_COPY.format(table=table, columns=columns, values=values, rows=ROWS, pk=row.pk))
        cursor.execute(f"ANALYZE {table}")


def fill() -> list[Payment]:
    """Big tables of finished business, and a few waiting notifications."""
    account = build.build_alipay()
    done = build.build_payment(account, provider_reference="T0")
    build.post_alipay(build.alipay_body(done, trade_no="T0"))
    drain_notifications()
    order = Order.objects.get()
    multiply(
        order,
        {"number": "'N' || g", "tracking_token": "'K' || g", "product_set": "md5(g::text)"},
    )
    multiply(
        Payment.objects.get(),
        {"reference": "'R' || g", "provider_reference": "'P' || g", "order_id": f"{order.pk} + g"},
    )
    multiply(PaymentNotification.objects.get(), {"event_id": "'E' || g", "reference": "'R' || g"})
    waiting = [build.build_payment(account) for _ in range(5)]
    for payment in waiting:
        build.post_alipay(build.alipay_body(payment))
    return waiting


def scans(queries: list[dict[str, str]]) -> Iterator[str]:
    """Statements that read one of the big tables from end to end, with their plans."""
    for query in queries:
        sql = query["sql"].rpartition("statement_timeout = 800; ")[2]
        if not sql.startswith(("SELECT", "UPDATE", "INSERT", "WITH")):
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
            plan = "\n".join(row[0] for row in cursor.fetchall())
            transaction.set_rollback(True)
        if re.search(rf"Seq Scan on ({'|'.join(BIG)})\b", plan):
            yield f"{sql[:300]}\n{plan}"


def test_taking_and_draining_use_indexes_only() -> None:
    waiting = fill()
    with CaptureQueriesContext(connection) as seen:
        drain_notifications()
        build.post_alipay(build.alipay_body(waiting[0], trade_status="TRADE_FINISHED"))
        build.post_alipay(b"nonsense")
        has_room(1, now=timezone.now())
        drain_notifications()
    assert Payment.objects.filter(pk__in=[p.pk for p in waiting], status="paid").count() == 5
    assert len(seen) > 30
    assert list(scans(seen.captured_queries)) == []
    # The test itself sees what it looks for.
    assert len(list(scans([{"sql": "SELECT id FROM payments_payment WHERE last_answer = 'x'"}]))) == 1
