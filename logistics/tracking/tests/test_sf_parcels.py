"""SF's parcels are polled through the shop's own account there, against the sandbox in its own process."""

from __future__ import annotations

import json

import pytest

from logistics.accounts import save_account
from logistics.models import CarrierAccount, CarrierCall, Shipment, TrackingEvent
from logistics.tests.builders import build_account, build_paid, build_shipment
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.outside import COURIER, outside
from orders.models import Order
from orders.tests.builders import build_merchant
from sandbox.tests.running import Running

__all__ = ["outside"]


def sf_account(outside: Running, **changes: str) -> CarrierAccount:
    data = {
        "partner_id": "SANDBOXSF", "checkword": "SANDBOXSFCHECKWORD", "gateway_url": f"{outside.url}/sf/std/service",
        "monthly_card": "7551234567", "min_interval_seconds": "0", **changes,
    }  # fmt: skip
    return save_account("sf", carrier="sf", merchant=build_merchant(), data=data).account


def calls(outside: Running, target: str) -> int:
    counts = {one["target"]: one["calls"] for one in outside.state["carrier_calls"]}
    return int(counts.get(target, 0))


@pytest.mark.django_db
def test_sf_parcel_to_its_end(outside: Running) -> None:
    sf_account(outside)
    parcel = build_shipment(carrier="sf", number="SF7444400043064")

    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    for _ in range(7):
        outside.control("parcel", number=parcel.tracking_number, advance=True)
    Shipment.objects.filter(pk=parcel.pk).update(next_check_at=parcel.created_at)
    assert poll_tracking().delivered == 1

    after = Shipment.objects.get(pk=parcel.pk)
    codes = list(TrackingEvent.objects.filter(shipment=parcel).values_list("provider_code", flat=True))
    assert (after.status, after.tracking_status, after.next_check_at) == ("delivered", "delivered", None)
    assert (codes[0], codes[-1]) == ("50", "80")
    assert Order.objects.get().status == "completed"


@pytest.mark.django_db
def test_couriers_number_is_kept_nowhere(outside: Running) -> None:
    sf_account(outside)
    parcel = build_shipment(carrier="sf", number="SF7444400043065")
    poll_tracking()
    for _ in range(4):
        outside.control("parcel", number=parcel.tracking_number, advance=True)
    Shipment.objects.filter(pk=parcel.pk).update(next_check_at=parcel.created_at)
    poll_tracking()
    stored = [*TrackingEvent.objects.values(), *Shipment.objects.values(), *CarrierCall.objects.values()]
    assert "139****2222" in json.dumps(stored, default=str)
    assert COURIER not in json.dumps(stored, default=str)


@pytest.mark.django_db
def test_eleven_parcels_are_two_calls(outside: Running) -> None:
    sf_account(outside)
    for number in range(11):
        build_shipment(carrier="sf", number=f"SF80000000000{number:02d}")
    before = calls(outside, "sf.query")
    assert poll_tracking().answered == 11
    assert calls(outside, "sf.query") - before == 2


@pytest.mark.django_db
def test_own_account_goes_before_the_aggregator(outside: Running) -> None:
    sf_account(outside)
    build_account(f"{outside.url}/kuaidi100/query.do", customer="SANDBOXCUSTOMER", key="SANDBOXKEY")
    build_shipment(carrier="sf", number="SF7444400043066")
    build_shipment(order=build_paid(), carrier="yto", number="YT2600227881409")
    assert poll_tracking().answered == 2
    polled = dict(CarrierCall.objects.values_list("subject", "account__slug"))
    assert polled["YT2600227881409"] == "k100"
    assert [slug for subject, slug in polled.items() if "SF" in subject] == ["sf"]


@pytest.mark.django_db
def test_wrong_checkword_opens_the_circuit(outside: Running) -> None:
    account = sf_account(outside, checkword="WRONG")
    parcel = build_shipment(carrier="sf", number="SF7444400043067")
    assert poll_tracking() == Counts(asked=1, failed=1)
    account.refresh_from_db()
    parcel.refresh_from_db()
    assert parcel.last_problem == "misconfigured: A1006 数字签名无效"
    assert account.is_circuit_open
