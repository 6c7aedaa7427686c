"""Which store this installation has."""

from __future__ import annotations

from orders.risk.windows.in_database import DatabaseStore
from orders.risk.windows.in_redis import RedisStore
from orders.risk.windows.window import Store
from ordersite.server.quick_cache import is_in_redis


def store() -> Store:
    """Redis where the cache is there, else the database."""
    return RedisStore() if is_in_redis() else DatabaseStore()
