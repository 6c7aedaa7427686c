"""The Redis cache for requests that must not wait for it: silence costs one of them SOCKET_SECONDS, then nobody."""

from __future__ import annotations

import time
from typing import Any, cast

import redis
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

# Redis answers in less than a millisecond; what takes longer is not worth waiting for.
SOCKET_SECONDS = 0.05
# A server that failed is left alone for so long: meanwhile every call raises at once.
PAUSE_SECONDS = 5.0


class PausedError(redis.ConnectionError):
    """The server was not called: it did not answer a moment ago."""


class QuickRedis(redis.Redis):
    """Raises redis.ConnectionError at once for PAUSE_SECONDS after a call that failed or got no answer."""

    _paused_until = 0.0

    @classmethod
    def forget_pause(cls) -> None:
        """Ask the server again at the next call."""
        cls._paused_until = 0.0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self._paused_until:
            raise PausedError("Redis did not answer a moment ago")
        try:
            return super().execute_command(*args, **options)
        except (redis.ConnectionError, redis.TimeoutError):
            type(self)._paused_until = time.monotonic() + PAUSE_SECONDS
            raise


class QuickClient(RedisCacheClient):
    """Django's client with QuickRedis and the short time limits, one for each pool: making one takes 0.1 ms."""

    def __init__(self, servers: list[str], **options: Any) -> None:
        limits = {"socket_timeout": SOCKET_SECONDS, "socket_connect_timeout": SOCKET_SECONDS}
        super().__init__(servers, **{**limits, **options})
        self._client = QuickRedis
        self._kept: dict[Any, QuickRedis] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> QuickRedis:
        pool = self._get_connection_pool(write)  # type: ignore[attr-defined]  # not in its published types
        client = self._kept.get(pool)
        if client is None:
            client = self._kept[pool] = QuickRedis(connection_pool=pool)
        return client


class QuickRedisCache(RedisCache):
    """The name in CACHES."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = QuickClient


def is_in_redis() -> bool:
    """Whether this installation has a Redis."""
    return isinstance(caches[DEFAULT_CACHE_ALIAS], QuickRedisCache)


def quick_client() -> QuickRedis:
    """Return the client of the cache, for commands that the cache does not have. Its time limits and its pause hold."""
    backend = caches[DEFAULT_CACHE_ALIAS]
    assert isinstance(backend, QuickRedisCache)
    return cast(QuickRedis, backend._cache.get_client(write=True))
