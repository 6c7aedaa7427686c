"""The annoyances of a bad day, each a few lines, and the honest shop beside them that keeps account of everything."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa

from ordersite.lib.tests.drip import dripping
from ordersite.tests.shop_calls import FORM, NOTIFY, order_body, provider_key, signed_form
from ordersite.tests.site import Site
from scripts.env_file import ROOT

ORDERS_A_SECOND = 5
GUESSERS, POLLERS = 12, 20
STATEMENT_LINES = 100_000
PATIENCE_SECONDS = 60
LOGIN = "/accounts/login/"
# How those wish to pay who only poll: none of them ever does.
WAYS = (("webhook", "drip"), ("webhook", "silent"), ("alipay", "demo-alipay"))
MANY = httpx2.Limits(max_connections=200)
Query = Callable[[str], list[tuple[Any, ...]]]


@dataclass(slots=True)
class Account:
    """What the honest shop knows. `paid` are orders whose notification was acknowledged, with the moment (monotonic)."""

    orders: list[str] = field(default_factory=list)
    paid: dict[str, float] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    # Seconds from a notification's first acknowledgement until a reader of the database found its order paid.
    seconds_until_paid: dict[str, float] = field(default_factory=dict)
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def p99(self) -> float:
        return sorted(self.milliseconds)[math.ceil(len(self.milliseconds) * 0.99) - 1]


@dataclass(slots=True)
class WorstDay:
    """A running site with everything at once; `ask` reads its database from outside."""

    site: Site
    ask: Query
    key: rsa.RSAPrivateKey
    token: str
    client: httpx2.Client
    account: Account = field(default_factory=Account)
    stop: threading.Event = field(default_factory=threading.Event)
    guesses: Counter[int] = field(default_factory=Counter)
    polls: Counter[int] = field(default_factory=Counter)

    def answered(self, call: Callable[[], httpx2.Response], good: set[int]) -> httpx2.Response:
        """Repeat a call until it is answered, as a shop and a provider do; each repetition is a trouble."""
        end = time.monotonic() + PATIENCE_SECONDS
        last: object = None
        while time.monotonic() < end:
            try:
                reply = call()
                if reply.status_code in good:
                    return reply
                last = f"{reply.status_code} {reply.request.url.path[:20]}"
            except httpx2.HTTPError as error:
                last = type(error).__name__
            self.account.troubles[str(last)] += 1
            time.sleep(random.uniform(0.1, 0.5))
        raise AssertionError(f"never answered: {last}")

    def order(self, serial: int, provider: str, slug: str) -> tuple[str, str, str]:
        """Order and start a payment; the order's number, the attempt's reference and the amount."""
        head = {"Authorization": f"Bearer {self.token}"}
        once = {**head, "Idempotency-Key": str(uuid.uuid4())}
        made = self.answered(
            lambda: self.client.post("/api/v1/orders/", json=order_body(serial), headers=once), {200, 201}
        ).json()
        path, wish = f"/api/v1/orders/{made['number']}/payments/", {"provider": provider, "account": slug}
        started = self.answered(lambda: self.client.post(path, json=wish, headers=head), {200, 201}).json()
        return made["number"], started["reference"], started["amount"]

    def buy(self, serial: int) -> None:
        """One purchase, of which Alipay tells twice, some time apart."""
        number, reference, amount = self.order(serial, "alipay", "demo-alipay")
        self.account.orders.append(number)
        self.account.references.append(reference)
        form = signed_form(self.key, reference, amount)
        self.notify(form)
        self.account.paid[number] = time.monotonic()
        time.sleep(random.uniform(0, 3))
        self.notify(form)

    def notify(self, form: bytes) -> None:
        def call() -> httpx2.Response:
            started = time.perf_counter()
            reply = self.client.post(NOTIFY, content=form, headers=FORM)
            self.account.milliseconds.append((time.perf_counter() - started) * 1000)
            if reply.content != b"success":  # Alipay reads the body only
                reply.status_code = reply.status_code if reply.status_code >= 400 else 500
            return reply

        self.answered(call, {200})

    def watch_payments(self) -> None:
        """Look into the database four times a second: which of the orders with an acknowledged notification are paid."""
        seen = self.account.seconds_until_paid
        while True:
            asked = [number for number in list(self.account.paid) if number not in seen]
            pending = {row[0] for row in self.ask("SELECT number FROM orders_order WHERE status = 'pending'")}
            now = time.monotonic()
            seen.update(
                {number: now - self.account.paid[number] for number in asked if number not in pending}
            )
            if self.stop.wait(0.25):
                return

    def guess(self, number: int) -> None:
        """Guess at the log-in: most from one address, two from ever new ones, so that their passwords are hashed."""
        page = self.answered(lambda: self.client.get(LOGIN, headers={"cookie": ""}), {200})
        token = page.cookies["csrftoken"]
        for guessed in itertools.count():
            is_botnet = number < 2
            address = f"198.18.{number}.{guessed % 250}" if is_botnet else "203.0.113.7"
            form = {"username": f"n{number} {guessed}", "password": "a guess", "csrfmiddlewaretoken": token}
            headers = {"x-forwarded-for": address, "cookie": f"csrftoken={token}"}
            with contextlib.suppress(httpx2.HTTPError):
                self.guesses[self.client.post(LOGIN, data=form, headers=headers).status_code] += 1
            if self.stop.wait(2 if is_botnet else 0.5):
                return

    def poll(self, reference: str) -> None:
        """Poll as the page does to which a buyer returns."""
        while not self.stop.is_set():
            with contextlib.suppress(httpx2.HTTPError):
                self.polls[self.client.get(f"/pay/return/{reference}/state/").status_code] += 1
            self.stop.wait(3)

    def import_statement(self, after: float) -> dict[str, Any]:
        """A bill of made-up lines, in the middle of it all; the counts of the import."""
        file = self.site.folder / "bill.csv"
        command = ["sandbox.trading.bills", "alipay", "--lines", str(STATEMENT_LINES), "--day", "2026-11-21"]
        subprocess.run(
            [sys.executable, "-m", *command, str(file)],
            cwd=ROOT, env=self.site.environment, check=True, capture_output=True,
        )  # fmt: skip
        self.stop.wait(after)
        said = self.site.manage("import_statement", str(file), "--account", "demo-alipay", "--json")
        found: dict[str, Any] = json.loads(said)
        return found


@contextlib.contextmanager
def odd_providers(site: Site) -> Iterator[None]:
    """An account whose provider drips its answers, and one whose provider accepts and is silent."""
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a", every=1) as drip,
        dripping(b"", b"", every=3600) as silent,
    ):
        for slug, server in (("drip", drip), ("silent", silent)):
            file = Path(site.environment["VAR_DIR"]) / f"{slug}.json"
            secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
            values = {"secret": secret, "query_url": f"http://127.0.0.1:{server.port}/query"}
            file.write_text(json.dumps(values))
            site.manage(
                "set_payment_account", "webhook", slug, "--merchant", "demo", "--from-json", str(file)
            )
        yield


def live_through(site: Site, ask: Query, seconds: float) -> tuple[WorstDay, dict[str, Any]]:
    """Everything at once for so long; what the shop knows and what the statement's import said."""
    said = site.manage(
        "add_api_client", "--merchant", "demo", "--scope", "orders:write", "--scope", "orders:read"
    )
    key = provider_key(site.environment["SANDBOX_DIR"])
    with odd_providers(site), httpx2.Client(base_url=site.url, timeout=30, limits=MANY) as client:
        day = WorstDay(site, ask, key, said.split()[-1], client)
        with ThreadPoolExecutor(GUESSERS + POLLERS + 2) as annoyances, ThreadPoolExecutor(32) as buyers:
            begun: list[Future[Any]] = [annoyances.submit(day.watch_payments)]
            try:
                for serial in range(5):  # a day does not begin with cold processes
                    day.buy(10_000_000 + serial)
                day.account.milliseconds.clear()
                waiting = [
                    day.order(20_000_000 + number, *WAYS[number % len(WAYS)]) for number in range(POLLERS)
                ]
                day.account.orders += [number for number, _reference, _amount in waiting]
                begun += [annoyances.submit(day.guess, number) for number in range(GUESSERS)]
                begun += [annoyances.submit(day.poll, reference) for _number, reference, _amount in waiting]
                statement = annoyances.submit(day.import_statement, seconds / 3)
                buying = _buy_evenly(day, buyers, seconds)
                for purchase in buying:
                    purchase.result()
                summary = statement.result()
                end = time.monotonic() + PATIENCE_SECONDS
                while len(day.account.seconds_until_paid) < len(day.account.paid) and time.monotonic() < end:
                    time.sleep(0.5)
            finally:
                day.stop.set()
        for one in begun:
            one.result()
    return day, summary


def _buy_evenly(day: WorstDay, buyers: ThreadPoolExecutor, seconds: float) -> list[Future[None]]:
    buying: list[Future[None]] = []
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        if len(buying) < passed * ORDERS_A_SECOND:
            buying.append(buyers.submit(day.buy, len(buying)))
        time.sleep(0.02)
    return buying
