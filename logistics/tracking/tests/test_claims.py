"""Claims of accounts and parcels: by index, by one poller at a time, and taken over when a lease expires."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment
from logistics.tests.builders import build_account, build_shipment
from logistics.tracking.coverage import coverages
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100
from logistics.tracking.throttle import CARRIERS, claim_next
from orders.tests.web import at_once


@pytest.mark.postgres
@pytest.mark.django_db
def test_claim_uses_the_index(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    model = build_shipment()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO logistics_shipment (order_id, merchant_id, warehouse_id, carrier, tracking_number, status, "
            "tracking_status, shipped_at, created_at, is_important, next_check_at, checks, check_failures, last_problem, "
            "origin_city, current_city, destination_city) SELECT order_id, merchant_id, warehouse_id, carrier, 'Q' || n, "
            "status, tracking_status, shipped_at, created_at, n %% 10 = 0, now() + interval '1 hour', 0, 0, '', '', '', '' "
            "FROM logistics_shipment, generate_series(1, 20000) n WHERE id = %s",
            [model.pk],
        )
        cursor.execute("ANALYZE logistics_shipment")

    with CaptureQueriesContext(connection) as queries:
        assert claim_next(coverages()[0], floor=timedelta(0)) == model

    claims = [query["sql"] for query in queries if query["sql"].startswith("WITH picked")]
    assert len(claims) == 2

    for sql in claims:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "shipment_to_check" in plan
        assert "Seq Scan" not in plan


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_polls_each_parcel_once(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    carrier.delay_seconds = 0.02
    parcels = [build_shipment() for _ in range(15)]

    counted = at_once([poll_tracking] * 3)

    assert sum(counts.asked for counts in counted) == 15
    assert sorted(carrier.numbers) == sorted(parcel.tracking_number for parcel in parcels)
    assert carrier.most_parallel == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_race_without_the_claim_polls_twice(carrier: FakeKuaidi100) -> None:
    """Without the claim both read the due parcel before either marks it."""
    build_account(carrier.url)
    parcel = build_shipment()
    read = threading.Barrier(2)

    def poll_unguarded() -> Shipment | None:
        found = Shipment.objects.due(timezone.now()).first()
        read.wait(10)
        return found

    assert at_once([poll_unguarded] * 2) == [parcel, parcel]


@pytest.mark.django_db
def test_expired_leases_are_taken_over(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    coverage = coverages()[0]

    lease = CARRIERS.take(coverage.account)
    assert lease is not None
    assert claim_next(coverage, floor=timedelta(0)) == parcel
    assert poll_tracking() == Counts()

    past = timezone.now() - timedelta(seconds=1)
    CarrierAccount.objects.update(leased_until=past)
    Shipment.objects.update(leased_until=past)

    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    assert CARRIERS.renew(lease) is None
