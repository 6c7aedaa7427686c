"""What every test shares: flushing that gets past the append-only triggers, and marks that tell what a test needs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.db.backends.base.operations import BaseDatabaseOperations

from logistics import guards as logistics_guards
from orders import guards as orders_guards
from ordersite.rails import triggers
from payments import guards as payments_guards

_flush = BaseDatabaseOperations.execute_sql_flush


def _flush_past_triggers(self: BaseDatabaseOperations, sql_list: Iterable[str]) -> None:
    """History refuses TRUNCATE and DELETE; the flush between two transactional tests must get past that."""
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            _flush(self, sql_list)
        return
    triggers.remove((*orders_guards.GUARDS, *logistics_guards.GUARDS, *payments_guards.GUARDS))
    _flush(self, sql_list)  # the post_migrate signal that follows a flush installs the triggers again


@pytest.fixture(scope="session", autouse=True)
def flush_gets_past_triggers() -> Iterator[None]:
    BaseDatabaseOperations.execute_sql_flush = _flush_past_triggers  # type: ignore[method-assign]
    yield
    BaseDatabaseOperations.execute_sql_flush = _flush  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def own_places(settings: Any, tmp_path: Any) -> None:
    """What one test leaves in the cache or among the anchors must not be seen by another, on no worker."""
    settings.HISTORY_ANCHOR_DIR = str(tmp_path / "anchors")
    settings.PRIVATE_DIR = str(tmp_path / "private")
    default = {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}
    settings.CACHES = {**settings.CACHES, "default": default}


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Numbers of rows begin again after a flush: what an earlier test counted for number 1 is not ours."""
    cache.clear()
