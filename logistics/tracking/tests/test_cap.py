"""Polls of a parcel stay below what its carrier answers in a day, and are spread over it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from logistics.carriers.kuaidi100.adapter import MOST_QUERIES_A_DAY
from logistics.models import Shipment
from logistics.tests.builders import build_account, build_shipment
from logistics.tracking.intervals import spread_interval
from logistics.tracking.poll import Refresh, refresh_now
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100
from logistics.tracking.throttle import DAY

SECONDS = timedelta(seconds=5)


@pytest.fixture
def often(settings: Any) -> None:
    """As in the demonstration: every seven seconds."""
    settings.TRACKING_POLL_HOURS = 0.002


def reload(parcel: Shipment) -> Shipment:
    return Shipment.objects.get(pk=parcel.pk)


@pytest.mark.usefixtures("often")
def test_a_day_of_polling_stays_below_the_cap() -> None:
    now = timezone.now()
    parcel, at, queries = Shipment(created_at=now), timedelta(), 0

    while at < DAY:
        parcel.created_at = timezone.now() - at
        at += spread_interval(parcel, floor=SECONDS, cap=MOST_QUERIES_A_DAY)
        queries += 1

    assert 30 <= queries <= 40


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(("minutes", "seconds"), [(0, 7.2), (1, 20), (25, 500), (60 * 24 * 3, 7200)])
def test_the_older_the_less_often(minutes: int, seconds: float) -> None:
    parcel = Shipment(created_at=timezone.now() - timedelta(minutes=minutes))

    interval = spread_interval(parcel, floor=SECONDS, cap=MOST_QUERIES_A_DAY)

    assert interval.total_seconds() == pytest.approx(seconds, abs=1)


def test_usual_interval_is_left_alone() -> None:
    old = Shipment(created_at=timezone.now() - 3 * DAY)

    assert spread_interval(old, floor=SECONDS, cap=MOST_QUERIES_A_DAY) == timedelta(hours=2)


@pytest.mark.django_db
def test_the_last_query_of_a_day_is_the_last(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel, since = build_shipment(), timezone.now() - timedelta(hours=1)
    Shipment.objects.update(queries_today=MOST_QUERIES_A_DAY - 1, queries_since=since)

    last = refresh_now(reload(parcel))
    again = refresh_now(reload(parcel))
    Shipment.objects.update(next_check_at=timezone.now())

    assert (last.code, again) == ("refreshed", Refresh("too_soon", since + DAY))
    assert (poll_tracking().asked, len(carrier.queries)) == (0, 1)
    assert reload(parcel).queries_today == MOST_QUERIES_A_DAY


@pytest.mark.django_db
def test_capped_parcel_is_due_when_the_day_is_over(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel, since = build_shipment(), timezone.now() - timedelta(hours=1)
    Shipment.objects.update(queries_today=MOST_QUERIES_A_DAY - 1, queries_since=since)

    poll_tracking()

    next_check_at = reload(parcel).next_check_at
    assert next_check_at is not None
    assert abs(next_check_at - since - DAY) < timedelta(seconds=5)


@pytest.mark.django_db
def test_new_day_counts_anew(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel, since = build_shipment(), timezone.now() - DAY
    Shipment.objects.update(queries_today=MOST_QUERIES_A_DAY, queries_since=since, capped_until=since + DAY)

    assert refresh_now(reload(parcel)).code == "refreshed"

    after = reload(parcel)
    assert (after.queries_today, after.capped_until) == (1, None)
