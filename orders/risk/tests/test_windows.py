"""The two stores of fingerprints and counts behave alike."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders.models import AttemptMark, FingerprintClaim
from orders.risk.attempt import Attempt
from orders.risk.tests.attempts import build_attempt
from orders.risk.windows import in_database, in_redis
from orders.risk.windows.in_database import DatabaseStore
from orders.risk.windows.in_redis import RedisStore
from orders.risk.windows.store import store
from orders.risk.windows.window import Holder, Store, StoreAway, Window
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db
QUICK = "ordersite.server.quick_cache.QuickRedisCache"
BUYER = Window("attempts", "buyer-1 cup-1", 300)


@pytest.fixture(params=[DatabaseStore, pytest.param(RedisStore, marks=pytest.mark.redis)])
def kept(request: pytest.FixtureRequest, settings: Any) -> Store:
    if request.param is RedisStore:
        use_redis(settings)
    found: Store = request.param()
    return found


def use_redis(settings: Any) -> None:
    """Have the cache in the tests' Redis, in the pass on the embedded database too."""
    usual, place = settings.CACHES["default"], os.environ["TEST_REDIS_URL"]
    settings.CACHES = {"default": {**usual, "BACKEND": QUICK, "LOCATION": place, "OPTIONS": {}}}


def count(kept: Store, attempt: Attempt, *windows: Window) -> tuple[int, ...]:
    return kept.visit(attempt, windows or (BUYER,)).counts


def later(attempt: Attempt, seconds: float) -> Attempt:
    return replace(attempt, at=attempt.at + timedelta(seconds=seconds))


def test_attempts_are_counted_with_this_one(kept: Store) -> None:
    first = build_attempt("k-1")
    assert [count(kept, build_attempt(key, at=first.at)) for key in ("k-1", "k-2", "k-3")] == [
        (1,),
        (2,),
        (3,),
    ]


def test_a_replay_is_no_other_attempt(kept: Store) -> None:
    first = build_attempt("k-1")
    assert [count(kept, later(first, seconds)) for seconds in (0, 1, 2)] == [(1,), (1,), (1,)]


def test_two_clients_are_two_attempts(kept: Store) -> None:
    first = build_attempt("k-1")
    count(kept, first)
    assert count(kept, replace(first, client_id=first.client_id + 1)) == (2,)


def test_old_attempts_leave_the_window(kept: Store) -> None:
    first = build_attempt("k-1")
    count(kept, first)
    assert count(kept, later(build_attempt("k-2", at=first.at), 299)) == (2,)
    assert count(kept, later(build_attempt("k-3", at=first.at), 301)) == (2,)


def test_each_window_counts_for_itself(kept: Store) -> None:
    long, other = replace(BUYER, name="device", seconds=900), replace(BUYER, value="buyer-2 cup-1")
    first = build_attempt("k-1")
    count(kept, first, BUYER, long)
    second = later(build_attempt("k-2", at=first.at), 600)
    assert count(kept, second, BUYER, long, other) == (1, 2, 1)


def test_each_shop_counts_for_itself(kept: Store) -> None:
    first = build_attempt("k-1")
    count(kept, first)
    other = replace(build_attempt("k-2", at=first.at), merchant_id=first.merchant_id + 1)
    assert count(kept, other) == (1,)


def test_a_running_attempt_holds_its_fingerprint(kept: Store) -> None:
    first = build_attempt("k-1")
    assert kept.visit(first, []).holder is None
    second = build_attempt("k-2", at=first.at)
    assert kept.visit(second, []).holder == Holder(first.member, "")


def test_its_own_key_never_blocks_it(kept: Store) -> None:
    first = build_attempt("k-1")
    kept.visit(first, [])
    assert kept.visit(first, []).holder is None
    kept.settle(first, "20261129-AAAA-BBBB")
    assert kept.visit(later(first, 5), []).holder is None
    second = build_attempt("k-2", at=first.at)
    assert kept.visit(second, []).holder == Holder(first.member, "20261129-AAAA-BBBB"), "still pointed there"


def test_released_fingerprint_is_free(kept: Store) -> None:
    first = build_attempt("k-1")
    kept.visit(first, [])
    kept.release(build_attempt("k-2", at=first.at))
    assert kept.visit(build_attempt("k-3", at=first.at), []).holder == Holder(first.member, "")
    kept.release(first)
    assert kept.visit(build_attempt("k-3", at=first.at), []).holder is None


def test_a_created_order_is_not_released(kept: Store) -> None:
    first = build_attempt("k-1")
    kept.visit(first, [])
    kept.settle(first, "20261129-AAAA-BBBB")
    kept.release(first)
    holder = kept.visit(build_attempt("k-2", at=first.at), []).holder
    assert holder == Holder(first.member, "20261129-AAAA-BBBB")


def test_only_one_takes_over(kept: Store) -> None:
    first = build_attempt("k-1")
    kept.visit(first, [])
    kept.settle(first, "20261129-AAAA-BBBB")
    holder = Holder(first.member, "20261129-AAAA-BBBB")
    second, third = build_attempt("k-2", at=first.at), build_attempt("k-3", at=first.at)
    assert (kept.take_over(second, holder), kept.take_over(third, holder)) == (True, False)
    assert kept.visit(third, []).holder == Holder(second.member, "")


def test_a_confirmed_duplicate_passes(kept: Store) -> None:
    first = build_attempt("k-1")
    kept.visit(first, [])
    kept.settle(first, "20261129-AAAA-BBBB")
    second = build_attempt("k-2", at=first.at, confirm_duplicate=True)
    assert kept.visit(second, []).holder is None
    assert kept.visit(build_attempt("k-3", at=first.at), []).holder == Holder(second.member, "")


def test_another_sum_is_another_fingerprint(kept: Store) -> None:
    first = build_attempt("k-1")
    kept.visit(first, [])
    dearer = build_attempt("k-2", at=first.at, products=("cup-1", "cup-2"))
    assert kept.visit(dearer, []).holder is None


def test_a_killed_attempt_blocks_for_fifteen_seconds() -> None:
    kept, first = DatabaseStore(), build_attempt("k-1")
    kept.visit(first, [])
    assert kept.visit(later(build_attempt("k-2", at=first.at), 14), []).holder is not None
    assert kept.visit(later(build_attempt("k-3", at=first.at), 15), []).holder is None


def test_what_has_expired_is_deleted() -> None:
    kept, now = DatabaseStore(), timezone.now()
    kept.visit(build_attempt("old", at=now - timedelta(hours=1)), [BUYER])
    kept.visit(build_attempt("new", at=now, products=("cup-2",)), [BUYER])
    assert in_database.forget_expired() == 2
    assert (AttemptMark.objects.count(), FingerprintClaim.objects.count()) == (1, 1)


@pytest.mark.redis
def test_redis_forgets_by_itself(settings: Any) -> None:
    use_redis(settings)
    client, first = in_redis.quick_client(), build_attempt("k-1")
    RedisStore().visit(first, [BUYER])
    lives = sorted(client.pttl(key) for key in client.scan_iter(match=in_redis._key("*")))
    assert len(lives) == 2
    assert 5_000 < lives[0] <= 15_000 < 250_000 < lives[1] <= 300_000, "a busy machine may look late"


def test_silence_is_said(settings: object) -> None:
    settings.CACHES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "ordersite.server.quick_cache.QuickRedisCache",
            "LOCATION": nobody().replace("http://", "redis://"),
        }
    }
    with pytest.raises(StoreAway):
        store().visit(build_attempt("k-1"), [BUYER])
