"""A thousand calls at once over fifty buyers: exactly the expected orders, and each refusal names its layer.

On PostgreSQL with Redis, with Redis killed in the middle, and on the embedded default.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from orders import clients
from orders.tests.builders import build_merchant
from orders.tests.calls import order_body
from orders.tests.web import web_server
from ordersite.tests.migrated import migrate_file
from scripts.processes import free_port, kill_family, wait_until
from scripts.services import new_folder, start_redis
from scripts.web import WEB, place

pytestmark = [
    pytest.mark.kill,
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
CALLS, KINDS = 20, ("same key", "other keys", "other sums", "minute's edge", "confirmed")
FIRST, SECOND = range(50), range(50, 100)
Query = Callable[[str], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class ShopCall:
    """One call of a buyer: the key, and what the body says besides."""

    buyer: int
    key: str
    shipping_fee: str = "0.00"
    confirm: bool = False

    def body(self) -> bytes:
        buyer = {"id": f"b-{self.buyer}", "name": "王小明", "phone": "13800138000"}
        body = order_body(buyer=buyer, shipping_fee=self.shipping_fee, confirm_duplicate=self.confirm)
        return json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class Shop:
    """A running shop: its address, a token, and its database."""

    url: str
    token: str
    query: Query

    def create(self, call: ShopCall) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.url}/api/v1/orders/", data=call.body(), method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Idempotency-Key", call.key)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)["number"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["code"]


def kind_of(buyer: int) -> str:
    return KINDS[buyer % len(KINDS)]


def calls_of(buyer: int) -> list[ShopCall]:
    kind = kind_of(buyer)
    if kind == "same key":
        return [ShopCall(buyer, f"k-{buyer}")] * CALLS
    if kind == "confirmed":
        return [ShopCall(buyer, f"k-{buyer}-{n}", confirm=True) for n in range(CALLS)]
    sums = {"other keys": ("0.00",), "other sums": ("0.00", "8.00"), "minute's edge": ("5.00", "6.00")}[kind]
    return [ShopCall(buyer, f"k-{buyer}-{n}", sums[n % len(sums)]) for n in range(CALLS)]


def query_postgresql(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def sell(shop: Shop, buyers: Sequence[int], *, in_the_middle: Callable[[], object] = bool) -> None:
    """Have these buyers call all at once, and check what came of it."""
    edge = [buyer for buyer in buyers if kind_of(buyer) == "minute's edge"]
    for buyer in edge:
        assert shop.create(ShopCall(buyer, f"before-{buyer}"))[0] == 201
    shop.query("UPDATE orders_order SET minute = minute - 1")
    known = {str(layer): int(str(count)) for layer, count in shop.query(BY_LAYER)}
    (before,) = shop.query("SELECT count(*) FROM orders_order")[0]
    calls = [call for buyer in buyers for call in calls_of(buyer)]
    random.Random(7).shuffle(calls)
    half = len(calls) // 2

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(shop.create, calls[:half]))
        in_the_middle()
        answers += list(pool.map(shop.create, calls[half:]))

    pairs = list(zip(calls, answers, strict=True))
    created = Counter(call.buyer for call, (status, _text) in pairs if status == 201)
    expected = {"same key": 1, "other keys": 1, "other sums": 1, "minute's edge": 0, "confirmed": CALLS}
    assert {buyer: created[buyer] for buyer in buyers} == {
        buyer: expected[kind_of(buyer)] for buyer in buyers
    }
    refused = {answer for answer in answers if answer[0] not in (200, 201)}
    assert refused <= {(409, "request_in_progress"), (409, "duplicate_suspected")}
    assert shop.query("SELECT count(*) FROM orders_order") == [(int(str(before)) + created.total(),)]
    layers = Counter({str(layer): int(str(count)) for layer, count in shop.query(BY_LAYER)})
    layers.subtract(known)
    named = {layer: layers[layer] for layer in ("idempotency", "fingerprint", "twin")}
    assert sum(named.values()) == len(answers) - created.total(), "each replay and each refusal by its layer"
    assert 0 not in named.values(), named


BY_LAYER = "SELECT layer, count(*) FROM orders_intercept GROUP BY layer"


def test_a_thousand_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Redis, and with Redis killed in the middle of another thousand."""
    redis = start_redis(new_folder("thousand") / "redis")
    try:
        monkeypatch.setenv("REDIS_URL", redis.url)
        _row, token = clients.add_client(build_merchant(), name="shop", scopes=["orders:write"])
        with web_server() as url:
            shop = Shop(url, token, query_postgresql)
            sell(shop, FIRST)
            sell(shop, SECOND, in_the_middle=redis.kill)
    finally:
        redis.stop()


@pytest.mark.long
def test_a_thousand_calls_on_the_embedded_database(tmp_path: Path) -> None:
    with embedded_shop(tmp_path) as shop:
        sell(shop, FIRST)


@contextlib.contextmanager
def embedded_shop(folder: Path) -> Iterator[Shop]:
    port, path = free_port(), folder / "own.sqlite3"
    env = {
        **os.environ,
        **place(port),
        "DATABASE_URL": f"sqlite:///{path}",
        "REDIS_URL": "",
        "VAR_DIR": str(folder),
    }
    env |= {"CELERY_BROKER_URL": "memory://", "WEB_THREADS": "8", "DEMO": "false"}

    def manage(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-1000:]
        return done.stdout

    def query(sql: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as link, link:
            return list(link.execute(sql).fetchall())

    migrate_file(path, lambda: manage("migrate", "--no-input"))
    manage(
        "shell", "-c", "from orders.models import Merchant; Merchant.objects.create(slug='demo', name='demo')"
    )
    token = manage("add_api_client", "--merchant", "demo", "--scope", "orders:write").split()[-1]
    web = subprocess.Popen([WEB], cwd=settings.BASE_DIR, env=env, start_new_session=True)
    try:
        shop = Shop(f"http://127.0.0.1:{port}", token, query)
        assert wait_until(lambda: is_up(shop.url), 60)
        yield shop
    finally:
        kill_family(web.pid)
        web.wait(10)


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
