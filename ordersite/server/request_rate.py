"""Counts requests in the cache: with Redis for all processes together, without it for each process alone."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache

# A cache that fails must not stop requests: they are not counted for so long.
CACHE_PAUSE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class RequestRate:
    """Allows so many requests of one key in each span of `seconds` of the clock."""

    _paused_until = 0.0

    def __init__(self, name: str, *, seconds: int) -> None:
        self._name, self._seconds = name, seconds

    def allows(self, key: object, limit: int) -> bool:
        """Count one request of this key; whether it is within the limit. True while the cache does not answer."""
        if time.monotonic() < RequestRate._paused_until:
            return True
        return self._count(f"{self._name}:{key}:{int(time.time()) // self._seconds}") <= limit

    def wait(self) -> int:
        """The seconds until the next span begins, at least 1."""
        return self._seconds - int(time.time()) % self._seconds

    def _count(self, key: str) -> int:
        try:
            if cache.add(key, 1, timeout=self._seconds + 4):
                return 1
            return int(cache.incr(key))
        except ValueError:  # the key expired between the two calls
            return 1
        except Exception as error:  # a cache's client may raise anything when its server is away
            logger.warning("requests are not counted: %s", error.__class__.__name__)
            RequestRate._paused_until = time.monotonic() + CACHE_PAUSE_SECONDS
            return 0
