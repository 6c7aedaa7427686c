"""Busy tables are cleaned up long before a fifth of their rows is dead."""

from __future__ import annotations

import pytest
from django.db import connection

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


def test_migrations_set_how_busy_tables_are_kept() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL"
        )
        found = {table: set(options) for table, options in cursor.fetchall()}
    queue = {"autovacuum_vacuum_scale_factor=0", "autovacuum_vacuum_threshold=1000"}
    assert found["rails_outboxentry"] == found["payments_staffmail"] == queue
    assert found["rails_delivery"] == queue | {"fillfactor=65"}
    growing = {"autovacuum_vacuum_scale_factor=0.02", "autovacuum_vacuum_threshold=5000"}
    for table in (
        "orders_order",
        "orders_idempotencykey",
        "payments_payment",
        "payments_paymentnotification",
    ):
        assert growing <= found[table]
