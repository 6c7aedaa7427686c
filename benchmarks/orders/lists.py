"""B5: open the admin's order list at 1,000,000 orders: milliseconds of server time, and queries of each page view.

`BENCH_ORDERS=5000000` in the environment takes another number of orders.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse

from benchmarks.harness.base import Context, Result, best_of, measured
from benchmarks.rows import fill
from orders.models import Order
from ordersite.tests import person

ORDERS = int(os.environ.get("BENCH_ORDERS", "1000000"))
LOOKS = 40
MOST_MILLISECONDS = 100
MOST_QUERIES = 12
_STEP = 100_000


def run(context: Context) -> list[Result]:
    merchant = fill.build_shop()
    for first in range(1, ORDERS + 1, _STEP):
        fill.build_orders(merchant, first, min(first + _STEP - 1, ORDERS))
    fill.settle_down()
    caller = _staff()
    bare = caller.get(reverse("admin:orders_order_changelist"))
    last = _change_list(bare).paginator.num_pages
    return [_look(caller, name, query, context.runs) for name, query in _looks(last).items()]


def _change_list(answer: Any) -> Any:
    return answer.context_data["cl"]


def _staff() -> Client:
    user = get_user_model().objects.create_superuser("bench", password=None)
    caller = Client(headers={"host": "127.0.0.1"})
    person.log_in(caller, user)
    return caller


def _looks(last: int) -> dict[str, dict[str, str]]:
    order = Order.objects.order_by("id")[ORDERS // 2]
    return {
        "first page": {},
        "last page": {"p": str(last)},
        "search by number": {"q": order.number},
        "search by phone": {"q": order.buyer_phone},
        "search by the beginning of a number": {"q": order.number[:11]},
        "status held by 85 of 100": {"status__exact": "completed"},
        "status held by 1 of 100": {"status__exact": "pending"},
    }


def _look(caller: Client, name: str, query: Mapping[str, str], runs: int) -> Result:
    """Measure the 95th percentile of LOOKS page views, the best of several rounds; the floor is the sum of the queries."""
    address = reverse("admin:orders_order_changelist")
    answer = caller.get(address, query)
    if answer.status_code != 200:
        raise RuntimeError(f"{name}: {answer.status_code} {answer.headers}")
    shown = len(_change_list(answer).result_list)
    with measured() as watch:
        taken = best_of(runs, lambda: _round(caller, address, query), lambda found: -_worst(found))
    queries = _queries(caller, address, query)
    return Result(
        "B5",
        f"{name} of {ORDERS:,} orders ({shown} rows, p50 {statistics.median(taken):.0f} ms, {len(queries)} queries)",
        round(_worst(taken), 1),
        "ms p95",
        floor=round(sum(queries), 2),
        ratio=round(_worst(taken) / sum(queries), 1),
        goal=f"<= {MOST_MILLISECONDS} ms, <= {MOST_QUERIES} queries",
        met=_worst(taken) <= MOST_MILLISECONDS and len(queries) <= MOST_QUERIES,
        foreign_cpu=watch.foreign_cpu,
    )


def _round(caller: Client, address: str, query: Mapping[str, str]) -> list[float]:
    taken = []
    for _number in range(LOOKS):
        started = time.perf_counter()
        caller.get(address, query)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _worst(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[18]


def _queries(caller: Client, address: str, query: Mapping[str, str]) -> list[float]:
    """Return the milliseconds of each query of one page view: their sum is the floor."""
    taken = []

    def note(execute: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        result = execute(*arguments)
        taken.append((time.perf_counter() - started) * 1000)
        return result

    with connection.execute_wrapper(note):
        caller.get(address, query)
    return taken
