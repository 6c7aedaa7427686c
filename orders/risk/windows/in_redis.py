"""Fingerprints and counts in Redis: one round trip before the order, one after it.

An attempt counts at the time that its web process has given it. Clocks of machines that differ by seconds shift the
edge of a window by as much.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import redis
from django.core.cache import cache as django_cache
from redis.commands.core import Script

from orders.risk.attempt import Attempt
from orders.risk.windows.window import (
    CREATED_SECONDS,
    MOST_COUNTED,
    RUNNING_SECONDS,
    Holder,
    StoreAway,
    Visit,
    Window,
)
from ordersite.server.quick_cache import PausedError, quick_client

# KEYS: the fingerprint, then a sorted set for each window. ARGV: now (ms), member, claim, its life (ms), whether it
# takes over, the newest so many that are kept, then the length of each window (ms).
_VISIT = """
local held = redis.call('GET', KEYS[1])
if not held or ARGV[5] == '1' then
  if held ~= ARGV[3] then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
  held = ARGV[3]
end
local found = {held}
for i = 2, #KEYS do
  local length = tonumber(ARGV[i + 5])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', tonumber(ARGV[1]) - length)
  redis.call('ZADD', KEYS[i], 'NX', ARGV[1], ARGV[2])
  redis.call('ZREMRANGEBYRANK', KEYS[i], 0, -1 - tonumber(ARGV[6]))
  redis.call('PEXPIRE', KEYS[i], length)
  found[i] = redis.call('ZCARD', KEYS[i])
end
return found
"""
# KEYS: the fingerprint. ARGV: the value it must have, the value it gets, its life (ms).
_REPLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_DELETE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


logger = logging.getLogger(__name__)


@cache
def _script(source: str) -> Script:
    return Script(redis.Redis(), source)  # each call names its own client


@contextmanager
def _answers() -> Iterator[None]:
    """Log that Redis does not answer, once for each call that found out."""
    try:
        yield
    except redis.RedisError as error:
        if not isinstance(error, PausedError):
            logger.warning("attempts are not counted, fingerprints not kept: %s", error.__class__.__name__)
        raise StoreAway(error.__class__.__name__) from error


class RedisStore:
    """The store of an installation with Redis, shared by all processes."""

    def visit(self, attempt: Attempt, windows: Sequence[Window]) -> Visit:
        claim = _claim(attempt)
        place = _key("")
        counted = [f"{place}{window.digest(attempt.merchant_id)}" for window in windows]
        keys = [_fingerprint(attempt), *counted]
        is_taken_over = "1" if attempt.draft.confirm_duplicate else "0"
        head: list[str | int] = [
            _milliseconds(attempt),
            attempt.member,
            claim,
            RUNNING_SECONDS * 1000,
            is_taken_over,
            MOST_COUNTED,
        ]
        with _answers():
            held, *counts = _script(_VISIT)(
                keys, [*head, *(w.seconds * 1000 for w in windows)], quick_client()
            )
        holder = _holder(held.decode())
        return Visit(None if holder.member == attempt.member else holder, tuple(counts))

    def take_over(self, attempt: Attempt, holder: Holder) -> bool:
        known = f"{holder.member}:{holder.order_number}"
        with _answers():
            return bool(
                _script(_REPLACE)(
                    [_fingerprint(attempt)], [known, _claim(attempt), RUNNING_SECONDS * 1000], quick_client()
                )
            )

    def settle(self, attempt: Attempt, order_number: str) -> None:
        with _answers():
            quick_client().set(
                _fingerprint(attempt), f"{attempt.member}:{order_number}", px=CREATED_SECONDS * 1000
            )

    def release(self, attempt: Attempt) -> None:
        with _answers():
            _script(_DELETE)([_fingerprint(attempt)], [_claim(attempt)], quick_client())


def _claim(attempt: Attempt) -> str:
    return f"{attempt.member}:"


def _holder(value: str) -> Holder:
    member, _colon, number = value.partition(":")
    return Holder(member, number)


def _milliseconds(attempt: Attempt) -> int:
    return int(attempt.at.timestamp() * 1000)


def _fingerprint(attempt: Attempt) -> str:
    return _key(f"f:{attempt.fingerprint}")


def _key(name: str) -> str:
    """With the prefix of the cache, which keeps installations that share a server apart."""
    return django_cache.make_key(f"risk:{name}")
