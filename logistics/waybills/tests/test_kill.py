"""Kill the process between any two steps of ordering a waybill: never a second waybill, never a lost number."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
from django.conf import settings

from logistics.models import Shipment, WaybillOrder, WaybillStatus
from logistics.tests.builders import build_paid
from logistics.waybills.tests import small_carrier
from logistics.waybills.tests.builders import build_small_account, make_due
from logistics.waybills.tests.small_carrier import SmallCarrier
from orders.clients import add_client
from orders.models import ApiClient, Order
from orders.tests.builders import build_merchant
from orders.tests.web import environment
from ordersite.tests.parallel import in_thread

pytestmark = [pytest.mark.kill, pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]

# Where a process dies: after a while, or when the carrier is at this step, or a moment after that.
MOMENTS = ("after a while", "received", "made", "answered", "after the answer")
LONGEST_WHILE, LONGEST_MOMENT = 0.08, 0.03
CREWS = 5


@dataclass(slots=True)
class Deaths:
    """Kills the running child at the chosen moment; `seen` counts the deaths by moment."""

    rng: random.Random
    moment: str = ""
    pid: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def arm(self, pid: int, moment: str) -> None:
        self.pid, self.moment = pid, moment
        if moment == "after a while":
            self._kill_in(self.rng.uniform(0, LONGEST_WHILE))

    def at_carrier(self, step: str, pid: int) -> None:
        """The carrier has come so far with a call of this process, perhaps of the child."""
        if pid != self.pid:
            return
        if step == self.moment:
            self._kill()
        elif step == "answered" and self.moment == "after the answer":
            self._kill_in(self.rng.uniform(0, LONGEST_MOMENT))

    def _kill_in(self, seconds: float) -> None:
        threading.Timer(seconds, self._kill, [self.pid]).start()

    def _kill(self, pid: int = 0) -> None:
        with suppress(ProcessLookupError):
            if (victim := pid or self.pid) and victim == self.pid:
                os.kill(victim, signal.SIGKILL)


class Nursery:
    """The process that forks a child for each wish."""

    def __init__(self, deaths: Deaths) -> None:
        self._deaths = deaths
        own = {**environment(), "OUTGOING_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "logistics.waybills.tests.dying"],
            cwd=settings.BASE_DIR, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, wish: dict[str, object], *, moment: str = "") -> bool:
        """Run one child; returns whether it was killed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(wish) + "\n")
        stdin.flush()
        self._deaths.arm(int(stdout.readline()), moment)
        status = int(stdout.readline())
        self._deaths.pid = 0
        killed = os.WIFSIGNALED(status)
        if killed:
            self._deaths.seen[moment] = self._deaths.seen.get(moment, 0) + 1
        else:
            assert status == 0
        return killed

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@dataclass(slots=True)
class Crew:
    """One after another of its processes dies; several crews work side by side in one shop."""

    nursery: Nursery
    deaths: Deaths


@dataclass(slots=True)
class DyingShop:
    """A shop, its carrier, and the crews whose processes die."""

    carrier: SmallCarrier
    crews: list[Crew]
    client: ApiClient

    def at_carrier(self, step: str, pid: int) -> None:
        for crew in self.crews:
            crew.deaths.at_carrier(step, pid)


@pytest.fixture
def shop() -> Iterator[DyingShop]:
    with small_carrier.running() as carrier, pytest.MonkeyPatch.context() as patch, ExitStack() as nurseries:
        patch.setitem(small_carrier.connectors(), small_carrier.NAME, small_carrier.SmallConnector())
        build_small_account(carrier)
        client = add_client(build_merchant(), name="erp", scopes=["shipments:write"])[0]
        shop = DyingShop(carrier, [], client)
        carrier.at_step = shop.at_carrier
        for number in range(CREWS):
            deaths = Deaths(random.Random(20261129 + number))
            nursery = nurseries.enter_context(closing(Nursery(deaths)))
            shop.crews.append(Crew(nursery, deaths))
        yield shop


def live_through(shop: DyingShop, crew: Crew, order: Order) -> None:
    """Order the waybill of one order while processes die: a client that repeats its call, and resolvers."""
    rng, key, nursery = crew.deaths.rng, secrets.token_hex(8), crew.nursery
    wish: dict[str, object] = {"what": "order", "client": shop.client.pk, "order": order.pk, "key": key}
    if rng.random() < 0.3:
        shop.carrier.faults["create"] = [rng.choice(("lost", "acted_503", "down"))]
    for _try in range(4):
        nursery.run(wish, moment=rng.choice(MOMENTS))
        if rng.random() < 0.7:
            make_due(order)
            nursery.run({"what": "resolve"}, moment=rng.choice(MOMENTS))
    nursery.run(wish)


def check(shop: DyingShop, trials: int) -> None:
    """Each order has one waybill at the carrier, one parcel, and the number is the carrier's."""
    waybills = list(WaybillOrder.objects.order_by("pk"))
    assert {waybill.status for waybill in waybills} == {WaybillStatus.MADE}
    assert len(waybills) == trials == shop.carrier.made == len(shop.carrier.wanted_numbers)
    assert {waybill.reference: waybill.tracking_number for waybill in waybills} == shop.carrier.numbers
    parcels = dict(Shipment.objects.values_list("pk", "tracking_number"))
    assert {waybill.parcel_id: waybill.tracking_number for waybill in waybills} == parcels
    assert set(Order.objects.values_list("status", flat=True)) == {"shipped"}
    assert all(waybill.has_label for waybill in waybills)


def run_trials(shop: DyingShop, trials: int) -> None:
    problems = list[BaseException]()

    def work(crew: Crew) -> None:
        for _trial in range(trials // CREWS):
            live_through(shop, crew, build_paid())

    for thread in [in_thread(partial(work, crew), problems) for crew in shop.crews]:
        thread.join()
    shop.carrier.faults.clear()
    for _round in range(3):
        make_due()
        shop.crews[0].nursery.run({"what": "resolve"})

    assert problems == []
    check(shop, trials)
    seen = sum((Counter(crew.deaths.seen) for crew in shop.crews), Counter[str]())
    assert set(seen) == set(MOMENTS), seen
    assert seen.total() > trials


def test_no_waybill_is_doubled_or_lost(shop: DyingShop) -> None:
    run_trials(shop, 30)


@pytest.mark.long
def test_no_waybill_of_500_is_doubled_or_lost(shop: DyingShop) -> None:
    run_trials(shop, 500)
