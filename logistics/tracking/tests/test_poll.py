"""Polling: what is due and nothing else, the minimum interval, errors of the carrier, and the command."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from logistics.models import CarrierAccount, Shipment, TrackingEvent
from logistics.tests.builders import build_account, build_paid, build_shipment
from logistics.tracking.poll import Refresh, poll_soon, refresh_now
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100, error_response, route_response
from logistics.tracking.throttle import slack_of
from orders.models import Order
from orders.tests.builders import build_merchant
from ordersite.outside_accounts.circuit import CircuitState

BUSY = error_response("502")
HOUR = timedelta(hours=1)


def reload(parcel: Shipment) -> Shipment:
    return Shipment.objects.get(pk=parcel.pk)


@pytest.mark.django_db
def test_due_parcel_is_polled_once(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()

    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    after = reload(parcel)
    assert (after.status, after.tracking_status, after.checks, after.leased_until) == (
        "moving",
        "in_transit",
        1,
        None,
    )
    assert after.next_check_at is not None
    assert after.last_checked_at is not None
    assert 0.5 * HOUR <= after.next_check_at - after.last_checked_at <= 2 * HOUR
    assert poll_tracking() == Counts()
    assert carrier.numbers == [parcel.tracking_number]


@pytest.mark.django_db
def test_delivery_ends_the_polling(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.responses[parcel.tracking_number] = route_response(
        parcel.tracking_number, ("1", "103", "揽收"), ("3", "301", "签收")
    )
    assert poll_tracking() == Counts(asked=1, answered=1, new_events=2, delivered=1, completed=1)
    assert Order.objects.get().status == "completed"
    assert reload(parcel).next_check_at is None


@pytest.mark.django_db
def test_important_customers_come_first(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    plain, important = build_shipment(), build_shipment()
    Shipment.objects.filter(pk=important.pk).update(is_important=True)
    poll_tracking()
    assert carrier.numbers == [important.tracking_number, plain.tracking_number]


@pytest.mark.django_db
def test_query_has_the_last_digits_of_the_phone(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment(carrier="sf", number="SF1234567890123")
    poll_tracking()
    assert (carrier.queries[0]["com"], carrier.queries[0]["phone"]) == ("shunfeng", "8000")
    assert reload(parcel).last_problem == ""


@pytest.mark.django_db
def test_only_the_merchants_own_account_polls(carrier: FakeKuaidi100) -> None:
    other = build_merchant("other")
    build_account(carrier.url, merchant=other)
    build_shipment()
    assert poll_tracking() == Counts()
    assert carrier.queries == []
    parcel = build_shipment(order=build_paid(merchant=other))
    poll_tracking()
    assert carrier.numbers == [parcel.tracking_number]


@pytest.mark.django_db
def test_disabled_account_polls_nothing(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    CarrierAccount.objects.update(is_active=False)
    parcel = build_shipment()
    assert poll_tracking() == Counts()
    assert refresh_now(parcel) == Refresh("no_account")


@pytest.mark.django_db
def test_nothing_found_is_no_failure(carrier: FakeKuaidi100) -> None:
    account = build_account(carrier.url)
    parcel = build_shipment()
    carrier.responses[parcel.tracking_number] = error_response("500")

    assert poll_tracking() == Counts(asked=1, answered=1)
    after = reload(parcel)
    assert (after.last_problem, after.check_failures, after.status) == (
        "nothing_found: 500 不行",
        0,
        "shipped",
    )
    account.refresh_from_db()
    assert account.failures_in_a_row == 0


@pytest.mark.django_db
def test_rejected_query_waits_a_day(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.responses[parcel.tracking_number] = error_response("408")
    assert poll_tracking() == Counts(asked=1, failed=1)
    after = reload(parcel)
    assert after.last_problem.startswith("phone_needed")
    assert after.next_check_at is not None
    assert timedelta(hours=23) < after.next_check_at - timezone.now() <= timedelta(hours=24)


@pytest.mark.django_db
def test_five_failures_open_the_breaker(carrier: FakeKuaidi100) -> None:
    account = build_account(carrier.url)
    parcels = [build_shipment() for _ in range(7)]
    carrier.responses.update({parcel.tracking_number: BUSY for parcel in parcels})

    assert poll_tracking() == Counts(asked=5, failed=5)
    account.refresh_from_db()
    assert account.failures_in_a_row == 5
    assert account.is_circuit_open
    assert poll_tracking() == Counts()
    assert refresh_now(parcels[6]).code == "circuit_open"
    assert len(carrier.queries) == 5

    CarrierAccount.objects.update(next_call_at=timezone.now())
    carrier.responses.clear()

    assert poll_tracking() == Counts(asked=2, answered=2, new_events=2)
    recovered = CarrierAccount.objects.get()
    assert (recovered.failures_in_a_row, recovered.circuit) == (0, CircuitState.CLOSED)


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "problem"), [("503", "misconfigured"), ("601", "out_of_funds")])
def test_unusable_account_ends_the_run(carrier: FakeKuaidi100, code: str, problem: str) -> None:
    account = build_account(carrier.url)
    parcels = [build_shipment() for _ in range(3)]
    carrier.responses.update({parcel.tracking_number: error_response(code) for parcel in parcels})
    assert poll_tracking() == Counts(asked=1, failed=1)
    account.refresh_from_db()
    assert account.next_call_at is not None
    assert account.next_call_at > timezone.now() + timedelta(minutes=9)
    assert [reload(parcel).last_problem.partition(":")[0] for parcel in parcels] == [problem, "", ""]


@pytest.mark.django_db
def test_open_breaker_delays_no_other_account(carrier: FakeKuaidi100) -> None:
    other = build_merchant("other")
    build_account(carrier.url)
    build_account(carrier.url, merchant=other, slug="k200")
    stuck = build_shipment()
    carrier.responses[stuck.tracking_number] = error_response("503")
    free = build_shipment(order=build_paid(merchant=other))
    poll_tracking()
    assert (reload(stuck).status, reload(free).status) == ("shipped", "moving")


@pytest.mark.django_db
def test_fault_of_one_parcel_delays_no_other(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    bad, good = build_shipment(), build_shipment()

    # Written by another version: this one cannot read it.
    TrackingEvent.objects.create(
        shipment=bad, at=timezone.now(), status="no_such_status", text="?", text_digest="x"
    )

    assert poll_tracking() == Counts(asked=2, answered=1, failed=1, new_events=1)
    assert reload(bad).last_problem.startswith("fault: ")
    assert (reload(bad).check_failures, reload(good).status) == (1, "moving")


@pytest.mark.django_db
def test_minimum_interval_holds_everywhere(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url, floor=3600)
    parcel = build_shipment()
    counts = Counts()
    first = refresh_now(parcel, counts=counts)
    polled_at = reload(parcel).last_poll_at

    assert polled_at is not None
    allowed_at = polled_at + HOUR + slack_of(HOUR)
    assert first == Refresh("refreshed", allowed_at)
    assert refresh_now(parcel, counts=counts) == Refresh("too_soon", allowed_at)

    Shipment.objects.update(next_check_at=timezone.now())

    assert poll_tracking() == Counts()
    assert poll_soon([reload(parcel)]) == 0
    assert counts == Counts(asked=1, answered=1, new_events=1, too_soon=1)

    Shipment.objects.update(last_poll_at=timezone.now() - HOUR)
    assert poll_tracking() == Counts()
    Shipment.objects.update(last_poll_at=timezone.now() - HOUR - slack_of(HOUR))

    assert poll_tracking() == Counts(asked=1, answered=1)
    assert len(carrier.queries) == 2


@pytest.mark.django_db
def test_poll_soon_only_makes_the_parcel_due(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url, floor=3600)
    parcel = build_shipment()
    later = timezone.now() + timedelta(hours=1)
    Shipment.objects.update(next_check_at=later, last_poll_at=timezone.now() - timedelta(hours=2))

    assert poll_soon([reload(parcel)]) == 1
    assert carrier.queries == []
    after = reload(parcel)
    assert after.next_check_at is not None
    assert after.next_check_at <= timezone.now()
    assert poll_tracking().asked == 1


@pytest.mark.django_db
def test_arrived_parcel_is_not_polled(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.responses[parcel.tracking_number] = route_response(parcel.tracking_number, ("3", "301", "签收"))
    refresh_now(parcel)
    assert refresh_now(reload(parcel)) == Refresh("arrived")
    assert poll_soon([reload(parcel)]) == 0
    assert len(carrier.queries) == 1


@pytest.mark.django_db
def test_command_polls_due_or_given_numbers(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url, floor=3600)
    parcel = build_shipment(number="YT1234567890123")
    out, err = StringIO(), StringIO()

    call_command("poll_tracking", "--json", stdout=out)

    assert json.loads(out.getvalue()) == Counts(asked=1, answered=1, new_events=1).as_dict()

    out = StringIO()
    call_command(
        "poll_tracking", "--number", "yt 1234567890123", "NO0000000", "--json", stdout=out, stderr=err
    )

    assert json.loads(out.getvalue()) == Counts(too_soon=1, unknown=1).as_dict()
    assert carrier.numbers == [parcel.tracking_number]

    out = StringIO()
    call_command("poll_tracking", "--due", stdout=out)

    assert out.getvalue().startswith("asked 0, answered 0, ")


@pytest.mark.django_db
def test_run_without_time_polls_nothing(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    for _ in range(3):
        build_shipment()
    assert poll_tracking(seconds=0) == Counts()
    assert poll_tracking().asked == 3
