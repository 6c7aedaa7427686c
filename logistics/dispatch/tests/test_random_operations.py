"""Everything at once on real connections: stock, reservations, instructions and parcels agree at every moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from logistics.dispatch.instructions.tests.builders import run_events
from logistics.dispatch.tests import random_shop
from logistics.dispatch.tests.random_shop import OPERATIONS, PLENTY, RandomShop, broken_sums, has_left
from logistics.models import Stock
from logistics.waybills.tests import small_carrier
from ordersite.queue.models import Delivery
from ordersite.tests.parallel import deadlocks_of_the_database, in_thread

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
THREADS = 6


@pytest.fixture
def shop() -> Iterator[RandomShop]:
    with small_carrier.running() as carrier, pytest.MonkeyPatch.context() as patch:
        patch.setitem(small_carrier.connectors(), small_carrier.NAME, small_carrier.SmallConnector())
        yield random_shop.build_random_shop(carrier)


def work(shop: RandomShop, seed: int, operations: int) -> None:
    rng = random.Random(seed)
    for _step in range(operations):
        shop.step(rng)


def audit(until: threading.Event) -> None:
    """Look at the sums again and again, between any two commits of the others."""
    while not until.wait(0.02):
        assert broken_sums() == {}


@pytest.mark.parametrize(
    "operations",
    [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
)
def test_the_sums_hold_whatever_happens_at_once(shop: RandomShop, operations: int) -> None:
    before, problems, is_over = deadlocks_of_the_database(), list[BaseException](), threading.Event()
    auditor = in_thread(partial(audit, is_over), problems)
    threads = [
        in_thread(partial(work, shop, seed, operations // THREADS), problems) for seed in range(THREADS)
    ]
    for thread in threads:
        thread.join()
    is_over.set()
    auditor.join()
    run_events()

    assert problems == []
    assert broken_sums() == {}
    assert deadlocks_of_the_database() == before
    assert list(Delivery.objects.exclude(last_error="").values_list("handler", "last_error")) == []
    shelves = Stock.objects.filter(product_id="cup-1", on_hand__isnull=False)
    left = {row.warehouse.slug: row.on_hand for row in shelves.select_related("warehouse")}
    assert left == {slug: PLENTY - has_left("cup-1", slug) for slug in left}
    assert set(shop.done) == set(OPERATIONS)
    assert has_left("cup-1", "hz") > 0


@pytest.mark.parametrize("column", ["on_hand", "reserved"])
def test_the_database_refuses_negative_stock(shop: RandomShop, column: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Stock.objects.update(**{column: -1})
