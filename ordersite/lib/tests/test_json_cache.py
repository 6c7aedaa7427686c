"""The Redis cache holds JSON: what somebody wrote into it as a pickle is not run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache.backends.redis import RedisCache

from ordersite.lib.json_cache import JsonSerializer


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def cache() -> Iterator[RedisCache]:
    options = settings.CACHES["default"]
    found = RedisCache(settings.REDIS_URL, {**options, "KEY_PREFIX": "test-json"})
    yield found
    found.delete_many(["number", "text", "rows", "trap"])


def test_pickle_is_a_miss_and_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "made"
    assert JsonSerializer().loads(pickle.dumps(Payload(trap))) is None
    assert not trap.exists()


@pytest.mark.redis
def test_pickle_in_redis_is_not_run(cache: RedisCache, tmp_path: Path) -> None:
    trap = tmp_path / "made"
    key = cache.make_and_validate_key("trap")
    cache._cache.get_client(key, write=True).set(key, pickle.dumps(Payload(trap)))
    assert cache.get("trap") is None
    assert not trap.exists()


@pytest.mark.redis
def test_values_come_back_and_are_counted(cache: RedisCache) -> None:
    cache.set("text", "王小明")
    cache.set("rows", [1, "a", None, {"b": 1.5}])
    cache.add("number", 1)
    cache.incr("number")
    assert (cache.get("text"), cache.get("rows"), cache.get("number")) == (
        "王小明",
        [1, "a", None, {"b": 1.5}],
        2,
    )
    assert cache._cache.get_client().get(cache.make_and_validate_key("number")) == b"2"
