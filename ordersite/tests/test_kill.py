"""Kill anything at any moment: every accepted notification is applied once, and the history is whole.

An independent program (this one) orders through the API, pays with genuinely signed Alipay notifications, and repeats a
call until it is answered, as a shop and a provider do. Meanwhile a random process or server dies every second or so.
"""

from __future__ import annotations

import random
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ordersite.tests.shop_calls import FORM, NOTIFY, order_body, provider_key, signed_form
from ordersite.tests.site import Site, eventually, whole_site
from scripts.services import Server, new_folder, start_postgres, start_rabbitmq, start_redis

pytestmark = [pytest.mark.kill, pytest.mark.timeout(900)]

PATIENCE_SECONDS = 120
# What can die, each as often as it stands here in a round of kills.
MORTAL = ("web", "worker", "web", "worker", "redis", "postgres", "rabbitmq")
# Made once: reading the certificates of the world for each client would take more of the processor than the shop does.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(slots=True)
class ShopUnderFire:
    """A site on servers of its own, and the provider's key."""

    site: Site
    servers: dict[str, Server]
    key: rsa.RSAPrivateKey
    token: str

    def count(self, sql: str) -> int:
        with psycopg.connect(self.servers["postgres"].url) as connection:
            row = connection.execute(sql).fetchone()
        return int(row[0]) if row else 0


@pytest.fixture
def world() -> Iterator[ShopUnderFire]:
    folder = new_folder("kill")
    servers: dict[str, Server] = {}
    try:
        servers["postgres"] = start_postgres(folder / "postgres")
        servers["redis"] = start_redis(folder / "redis")
        servers["rabbitmq"] = start_rabbitmq(folder / "rabbitmq")
        urls = {
            "DATABASE_URL": servers["postgres"].url,
            "REDIS_URL": servers["redis"].url,
            "CELERY_BROKER_URL": servers["rabbitmq"].url,
        }
        with whole_site(folder / "site", servers=urls) as site:
            yield make_world(site, servers)
    finally:
        for server in servers.values():
            server.stop()


def make_world(site: Site, servers: dict[str, Server]) -> ShopUnderFire:
    key = provider_key(site.environment["SANDBOX_DIR"])
    made = site.manage(
        "add_api_client", "--merchant", "demo", "--scope", "orders:write", "--scope", "orders:read"
    )
    site.start("web", "worker", "outside", "beat")
    site.wait_until_up()
    return ShopUnderFire(site, servers, key, made.split()[-1])


def until_answered(call: Any, good: set[int]) -> httpx2.Response:
    """Repeat a call until it is answered, as the honest other side does. Everything else than `good` is tried again."""
    end = time.monotonic() + PATIENCE_SECONDS
    last: object = None
    while time.monotonic() < end:
        try:
            last = reply = call()
            if reply.status_code in good:
                return reply
        except httpx2.HTTPError as error:
            last = error
        time.sleep(random.uniform(0.1, 0.5))
    raise AssertionError(f"never answered: {last!r} {getattr(last, 'text', '')[:300]}")


def buy_and_pay(world: ShopUnderFire, serial: int) -> str:
    """One whole purchase; returns the order's number."""
    client = httpx2.Client(
        base_url=world.site.url,
        timeout=10,
        headers={"Authorization": f"Bearer {world.token}"},
        verify=_NO_TLS,
    )
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with client:
        order = until_answered(
            lambda: client.post("/api/v1/orders/", json=order_body(serial), headers=key), {200, 201}
        ).json()
        number = order["number"]
        wish = {"provider": "alipay", "account": "demo-alipay"}
        payment = until_answered(
            lambda: client.post(f"/api/v1/orders/{number}/payments/", json=wish), {200, 201}
        ).json()
        notify(world, client, payment["reference"], payment["amount"])
    return str(number)


def notify(world: ShopUnderFire, client: httpx2.Client, reference: str, amount: str) -> None:
    form = signed_form(world.key, reference, amount)

    def call() -> httpx2.Response:
        reply = client.post(NOTIFY, content=form, headers=FORM)
        if reply.content != b"success":  # Alipay reads the body only
            reply.status_code = 500
        return reply

    until_answered(call, {200})


def make_trouble(world: ShopUnderFire, stop: threading.Event, killed: list[str], rng: random.Random) -> None:
    """Kill something, give it a moment, start it again; everything that can die once in each round."""
    round_of_kills: list[str] = []
    while not stop.wait(rng.uniform(0.2, 0.8)):
        round_of_kills = round_of_kills or rng.sample(MORTAL, len(MORTAL))
        name = round_of_kills.pop()
        killed.append(name)
        if name in world.servers:
            world.servers[name].kill()
            stop.wait(rng.uniform(0.1, 1.0))
            world.servers[name].start()
        else:
            world.site.kill(name)
            world.site.start(name)


def run_with_trouble(world: ShopUnderFire, orders: int, seed: int) -> list[str]:
    """Pay so many orders, spread over a whole round of kills at least, however fast the machine is."""
    stop = threading.Event()
    killed: list[str] = []
    thread = threading.Thread(target=make_trouble, args=(world, stop, killed, random.Random(seed)))
    thread.start()

    def buy_in_its_time(serial: int) -> str:
        eventually(lambda: len(killed) >= len(MORTAL) * serial // orders, PATIENCE_SECONDS)
        return buy_and_pay(world, serial)

    try:
        with ThreadPoolExecutor(16) as pool:
            numbers = list(pool.map(buy_in_its_time, range(orders)))
    finally:
        stop.set()
        thread.join()
    assert len(set(numbers)) == orders
    return killed


def check_all_paid_once(world: ShopUnderFire, orders: int) -> None:
    paid = "SELECT count(*) FROM orders_order WHERE status = 'paid'"
    world.site.wait_until_up()
    assert eventually(lambda: world.count(paid) == orders, PATIENCE_SECONDS), world.count(paid)
    assert world.count("SELECT count(*) FROM orders_order") == orders
    assert world.count("SELECT count(*) FROM orders_orderevent WHERE to_status = 'paid'") == orders
    assert world.count("SELECT count(*) FROM payments_payment WHERE status = 'paid'") == orders
    waiting = "SELECT count(*) FROM payments_paymentnotification WHERE done_at IS NULL"
    assert eventually(lambda: world.count(waiting) == 0, PATIENCE_SECONDS)
    assert world.count("SELECT count(*) FROM payments_paymentexception") == 0
    assert "The history is whole" in world.site.manage("verify_history")


@pytest.mark.parametrize("seed", [20261122])
def test_500_orders_survive_dead_processes(world: ShopUnderFire, seed: int) -> None:
    killed = run_with_trouble(world, 500, seed)
    assert set(killed) == set(MORTAL), killed
    check_all_paid_once(world, 500)


@pytest.mark.long
def test_5000_orders_survive_dead_processes(world: ShopUnderFire) -> None:
    run_with_trouble(world, 5000, 1)
    check_all_paid_once(world, 5000)


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.long)])
def test_backlog_of_broker_outage_is_processed(world: ShopUnderFire, seconds: int) -> None:
    world.servers["rabbitmq"].kill()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda serial: buy_and_pay(world, serial), range(50)))
    time.sleep(seconds)
    assert world.count("SELECT count(*) FROM payments_paymentnotification") == 50
    world.servers["rabbitmq"].start()
    check_all_paid_once(world, 50)


@pytest.mark.parametrize(("orders", "seconds"), [(30, 10), pytest.param(100, 120, marks=pytest.mark.long)])
def test_orders_are_paid_without_the_broker(world: ShopUnderFire, orders: int, seconds: int) -> None:
    """While the broker is away, the clock service alone applies each notification within 5 s of its answer."""
    world.site.start("clock")
    beats = "SELECT count(*) FROM health_heartbeat WHERE task = 'payments.drain_notifications'"
    assert eventually(lambda: world.count(beats) == 1, 60)
    world.servers["rabbitmq"].kill()

    started = time.monotonic()

    def paid_after(serial: int) -> float:
        time.sleep(max(0.0, started + seconds * serial / orders - time.monotonic()))
        number = buy_and_pay(world, serial)
        answered = time.monotonic()
        paid = f"SELECT count(*) FROM orders_order WHERE number = '{number}' AND status = 'paid'"
        assert eventually(lambda: world.count(paid) == 1, PATIENCE_SECONDS, every=0.1)
        return time.monotonic() - answered

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(paid_after, range(orders)))

    assert max(waits) <= 5, sorted(waits)[-5:]
    world.servers["rabbitmq"].start()
    check_all_paid_once(world, orders)
