"""Important buyers' parcels are polled sooner, never within the floor; a person may change the tier; old parcels stop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment
from logistics.tests.builders import build_account, build_paid, build_shipment, confirm, parcel_in, parcel_of
from logistics.tracking.intervals import POLLED_DAYS, rhythm_of
from logistics.tracking.poll import Refresh, refresh_now
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking
from logistics.tracking.stalled import find_stalled
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100, error_response, route_response
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db


def reload(parcel: Shipment) -> Shipment:
    return Shipment.objects.get(pk=parcel.pk)


def make_important(parcel: Shipment) -> None:
    Shipment.objects.filter(pk=parcel.pk).update(is_important=True)


@pytest.mark.parametrize(
    ("floor", "minutes", "expected"), [(0, 45, 45), (1800, 10, 30), (0, 600, 120), (10_800, 60, 180)]
)
def test_important_parcels_have_the_merchants_rhythm(
    carrier: FakeKuaidi100, floor: int, minutes: int, expected: int
) -> None:
    """The floor is never broken, and nobody important waits longer than the others."""
    build_account(carrier.url, floor=floor, important_poll_minutes=minutes)
    parcel = build_shipment()
    make_important(parcel)

    poll_tracking()

    after = reload(parcel)
    assert after.next_check_at is not None
    assert after.last_checked_at is not None
    rhythm = timedelta(minutes=expected)
    assert max(rhythm / 4, timedelta(seconds=floor)) <= after.next_check_at - after.last_checked_at <= rhythm


def test_other_parcels_keep_theirs(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url, important_poll_minutes=30)
    parcel = build_shipment()
    poll_tracking()
    after = reload(parcel)
    assert after.next_check_at is not None
    parcel.is_important = False
    assert rhythm_of(parcel, floor=timedelta(0), important=timedelta(minutes=30)) == timedelta(hours=2)
    assert after.next_check_at > timezone.now() + timedelta(minutes=29)


@pytest.mark.parametrize("value", ["0", "1441", "often"])
def test_impossible_rhythms_are_refused(value: str) -> None:
    with pytest.raises(DomainError, match=r"important_poll_minutes .*1440"):
        build_account("http://127.0.0.1:9/query.do", important_poll_minutes=value)


def test_person_changes_the_tier_of_an_order(client: Client, carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    order = build_paid(cups=2)
    one, two = (
        parcel_in(confirm(order.merchant, parcel_of(order, cups=1))[0]),
        parcel_in(confirm(order.merchant, parcel_of(order, cups=1))[0]),
    )
    poll_tracking()
    agent = User.objects.create_user("agent", is_staff=True)
    agent.groups.add(Group.objects.get(name="agent"))
    client.force_login(agent)

    client.post(f"/admin/logistics/shipment/{one.pk}/do/important/")

    assert [reload(one).is_important, reload(two).is_important] == [True, True]
    assert reload(two).is_due(timezone.now())
    assert LogEntry.objects.filter(user=agent, object_id=str(one.pk), change_message="important").exists()
    client.post(f"/admin/logistics/shipment/{one.pk}/do/usual/")
    assert [reload(one).is_important, reload(two).is_important] == [False, False]


def test_viewer_changes_no_tier(client: Client) -> None:
    parcel = build_shipment()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.groups.add(Group.objects.get(name="viewer"))
    client.force_login(viewer)

    assert client.post(f"/admin/logistics/shipment/{parcel.pk}/do/important/").status_code == 403

    assert not reload(parcel).is_important
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("code", ["", "500", "502"], ids=["route", "nothing found", "outage"])
def test_old_parcels_are_polled_once_more_and_then_never(carrier: FakeKuaidi100, code: str) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    if code:
        carrier.responses[parcel.tracking_number] = error_response(code)
    old = timezone.now() - timedelta(days=POLLED_DAYS, hours=1)
    Shipment.objects.filter(pk=parcel.pk).update(shipped_at=old)

    assert poll_tracking().asked == 1

    after = reload(parcel)
    assert (after.next_check_at, after.is_under_way) == (None, True)
    assert poll_tracking() == Counts()
    assert refresh_now(after) == Refresh("too_old")
    assert len(carrier.queries) == 1


def test_an_old_parcel_is_a_case_of_its_own_kind(carrier: FakeKuaidi100) -> None:
    """Not signed for in time, which a person looks into; not a silent carrier, whom nobody asks any more."""
    build_account(carrier.url)
    parcel = build_shipment()
    old = timezone.now() - timedelta(days=POLLED_DAYS, hours=1)
    Shipment.objects.filter(pk=parcel.pk).update(shipped_at=old)
    poll_tracking()
    Shipment.objects.filter(pk=parcel.pk).update(last_checked_at=timezone.now() - timedelta(days=3))
    CarrierAccount.objects.update(silence_counts_from=None)

    counts = find_stalled()

    assert (counts.not_signed, counts.carrier_silent) == (1, 0)


def test_last_poll_of_an_old_parcel_still_delivers(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    Shipment.objects.update(shipped_at=timezone.now() - timedelta(days=POLLED_DAYS + 1))
    number = parcel.tracking_number
    carrier.responses[number] = route_response(number, ("3", "301", "签收"))
    assert poll_tracking().completed == 1
