"""Several queries of an account at a time, within its limit, against a carrier in a process of its own."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment, TrackingEvent
from logistics.tests.builders import build_account, build_paid, build_parcels, build_shipment
from logistics.tracking.intervals import RETRY
from logistics.tracking.pace import MOST_AT_ONCE
from logistics.tracking.poll import Refresh, refresh_now
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100, error_response
from orders.tests.builders import build_merchant
from orders.tests.web import environment
from ordersite.lib.tests.drip import dripping
from sandbox.carrier.kuaidi100 import CUSTOMER, KEY
from sandbox.tests.running import Running, started

ANSWERED_AFTER = 0.2
LIMIT = 40
SECONDS = 2.5


@pytest.fixture(scope="module")
def slow_carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The sandbox, which takes 0.2 s for each answer."""
    with started(tmp_path_factory.mktemp("carrier")) as box:
        box.control("faults", target="kuaidi100.query", fault="delay", value=ANSWERED_AFTER, times=None)
        yield box


def account_at(box: Running, **more: Any) -> CarrierAccount:
    CarrierAccount.objects.all().delete()
    return build_account(f"{box.url}/kuaidi100/query.do", customer=CUSTOMER, key=KEY, **more)


def calls_of(box: Running) -> list[tuple[str, float]]:
    """The waybill numbers that the carrier was asked for, and when (seconds)."""
    (path,) = [one for one in box.folder.iterdir() if one.suffix in (".sqlite", ".sqlite3", ".db")]
    with sqlite3.connect(path) as store:
        return store.execute("SELECT number, at FROM parcel_calls ORDER BY at").fetchall()


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= at < start + 1 for at in times) for start in times)


@pytest.mark.postgres
@pytest.mark.serial
@pytest.mark.django_db
def test_four_times_as_many_as_one_at_a_time(slow_carrier: Running) -> None:
    """Answers of 0.2 s, one after another: five in a second. The second try is for a machine that was busy."""
    model = build_shipment()
    for attempt in itertools.count():
        account_at(slow_carrier)
        build_parcels(100, model, prefix=f"A{attempt}")
        alone = poll_tracking(seconds=SECONDS)
        account_at(slow_carrier, queries_per_second=LIMIT)
        Shipment.objects.update(next_check_at=None)
        build_parcels(300, model, prefix=f"B{attempt}")
        together = poll_tracking(seconds=SECONDS)
        if together.answered >= 4 * alone.answered > 0 or attempt:
            break

    assert together.answered >= 4 * alone.answered > 0
    assert (alone.failed, together.failed) == (0, 0)
    calls = calls_of(slow_carrier)
    assert len({number for number, _at in calls}) == len(calls)
    # Times of arrival; those of departure are in test_pace.
    assert most_in_a_second([at for number, at in calls if number.startswith("YTB")]) <= LIMIT * 1.25


@pytest.mark.postgres
@pytest.mark.kill
@pytest.mark.django_db(transaction=True)
def test_killed_run_loses_nothing(slow_carrier: Running) -> None:
    account_at(slow_carrier, queries_per_second=LIMIT)
    model = build_shipment()
    build_parcels(80, model, prefix="K")
    answered = Shipment.objects.filter(last_checked_at__isnull=False)
    command = [sys.executable, "manage.py", "poll_tracking", "--due"]
    run = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment())
    deadline = time.monotonic() + 30
    while answered.count() < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    run.wait(10)
    assert 10 <= answered.count() < 81
    assert Shipment.objects.filter(leased_until__isnull=False).exists()

    past = timezone.now() - timedelta(seconds=1)
    CarrierAccount.objects.update(leased_until=past)
    Shipment.objects.filter(leased_until__isnull=False).update(leased_until=past)
    poll_tracking(seconds=20)

    assert answered.count() == 81
    assert not Shipment.objects.filter(leased_until__isnull=False).exists()
    assert TrackingEvent.objects.filter(shipment=model).count() >= 1


@pytest.mark.postgres
@pytest.mark.django_db
def test_silent_account_holds_its_share_of_the_threads_only(carrier: FakeKuaidi100) -> None:
    other = build_merchant("other")
    healthy = build_account(carrier.url, merchant=other, slug="healthy", queries_per_second=200)
    build_parcels(20, build_shipment(order=build_paid(merchant=other)), prefix="H")
    with dripping(b"", b"", every=1) as silent:
        build_account(f"http://127.0.0.1:{silent.port}/query.do", queries_per_second=200)
        build_parcels(100, build_shipment(), prefix="S")

        counts = poll_tracking()

        assert len(silent.accepted) <= MOST_AT_ONCE
    assert (counts.answered, counts.failed) == (21, MOST_AT_ONCE)
    heard = Shipment.objects.filter(merchant=other).latest("last_checked_at").last_checked_at
    failed = Shipment.objects.filter(check_failures=1).earliest("next_check_at").next_check_at
    assert heard is not None
    assert failed is not None
    assert heard < failed - RETRY
    assert {account.slug: account.is_circuit_open for account in CarrierAccount.objects.all()} == {
        healthy.slug: False,
        "k100": True,
    }


@pytest.mark.django_db
def test_breaker_stops_many_at_a_time_as_well(carrier: FakeKuaidi100) -> None:
    account = build_account(carrier.url, queries_per_second=200)
    carrier.delay_seconds = 0.05
    build_parcels(100, build_shipment(), prefix="F")
    carrier.responses.update(
        {parcel.tracking_number: error_response("502") for parcel in Shipment.objects.all()}
    )

    counts = poll_tracking()

    assert counts.asked == counts.failed <= MOST_AT_ONCE + account.breaker.opens_after
    account.refresh_from_db()
    assert account.is_circuit_open
    assert poll_tracking().asked == 0


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "codes"), [(2, ["refreshed", "busy_here"]), (1, ["busy_here"] * 2)])
def test_people_call_once_a_second_beside_the_pollers(
    carrier: FakeKuaidi100, limit: int, codes: list[str]
) -> None:
    build_account(carrier.url, queries_per_second=limit)
    assert [refresh_now(build_shipment()).code for _person in range(2)] == codes
    assert len(carrier.queries) == codes.count("refreshed")

    CarrierAccount.objects.update(last_refresh_at=timezone.now() - timedelta(seconds=1))

    again = refresh_now(build_shipment())
    assert again.code == codes[0]
    assert isinstance(again, Refresh)
