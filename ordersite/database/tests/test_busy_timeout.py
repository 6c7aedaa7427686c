"""The busy timeout of a block, and the usual one after it."""

from __future__ import annotations

import pytest
from django.db import connection

from ordersite.database.busy_timeout import busy_timeout

pytestmark = pytest.mark.django_db


def timeout_in_use() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        return int(cursor.fetchone()[0])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
def test_block_waits_shorter() -> None:
    usual = timeout_in_use()

    with busy_timeout(123):
        inside = timeout_in_use()

    assert inside == 123
    assert timeout_in_use() == usual


@pytest.mark.postgres
def test_postgres_is_left_alone(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0), busy_timeout(123):  # type: ignore[operator]
        pass
