"""Parcels are subscribed to pushes once, at the sandbox in its own process, and polled less while these arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from logistics.models import CarrierAccount, CarrierCall, Shipment
from logistics.tests.builders import build_account, build_shipment, new_number
from logistics.tracking.intervals import PUSHED_LESS, PUSHES_SILENT, after_push, next_interval
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.outside import outside
from sandbox.carrier.kuaidi100 import CUSTOMER, KEY
from sandbox.tests.running import Running

__all__ = ["outside"]

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=2)


@pytest.fixture
def account(outside: Running) -> CarrierAccount:
    outside.control("faults", method="DELETE")
    url = f"{outside.url}/kuaidi100/"
    return build_account(
        f"{url}query.do", customer=CUSTOMER, key=KEY, subscribe_url=f"{url}poll", salt="SALT"
    )


def poll(parcel: Shipment) -> Shipment:
    Shipment.objects.filter(pk=parcel.pk).update(next_check_at=timezone.now(), last_poll_at=None)
    poll_tracking()
    return Shipment.objects.select_related("order").get(pk=parcel.pk)


def subscriptions(outside: Running, parcel: Shipment) -> list[tuple[str, int]]:
    """State and number of times, of this parcel's subscription at the carrier."""
    rows = outside.state["kuaidi100"]["subscriptions"]
    return [(row["state"], row["times"]) for row in rows if row["number"] == parcel.tracking_number]


@pytest.mark.usefixtures("account")
def test_parcel_is_subscribed_once(outside: Running) -> None:
    parcel = build_shipment()

    after = poll(parcel)
    again = poll(parcel)

    assert (after.subscription, after.subscription_tries, after.subscription_problem) == ("active", 1, "")
    assert again.subscription_tries == 1
    assert subscriptions(outside, parcel) == [("polling", 1)]
    calls = CarrierCall.objects.filter(subject=parcel.tracking_number)
    assert sorted(calls.values_list("operation", "result")) == [("query", "ok")] * 2 + [("subscribe", "ok")]
    sent = calls.get(operation="subscribe").request
    assert parcel.tracking_number in sent
    assert "push%2Fkuaidi100" not in sent


@pytest.mark.usefixtures("account")
def test_subscription_is_tried_again_then_given_up(outside: Running) -> None:
    outside.control("faults", target="kuaidi100.subscribe", fault="status_500", times=1)
    one = build_shipment()

    first = [poll(one).subscription, poll(one).subscription]
    two = build_shipment()
    outside.control("faults", target="kuaidi100.subscribe", fault="status_500", times=None)
    for _try in range(6):
        two = poll(two)

    assert first == ["", "active"]
    assert (two.subscription, two.subscription_tries) == ("given_up", 4)
    assert two.subscription_problem.startswith("busy: ")
    assert subscriptions(outside, two) == []
    assert two.last_problem == ""


@pytest.mark.usefixtures("account")
def test_refused_subscription_is_not_repeated(outside: Running, client: Client) -> None:
    outside.control("faults", target="kuaidi100.subscribe", fault="return_code", value=701, times=1)
    parcel = build_shipment()

    after = poll(poll(parcel))

    assert (after.subscription, after.subscription_tries) == ("given_up", 1)
    assert "701" in after.subscription_problem
    client.force_login(User.objects.create_superuser("root"))
    shown = client.get(f"/admin/logistics/shipment/{parcel.pk}/change/").content.decode()
    assert "701" in shown
    assert "已放弃" in shown
    assert "最近推送" in shown


def test_without_the_address_nothing_is_subscribed(outside: Running) -> None:
    build_account(f"{outside.url}/kuaidi100/query.do", customer=CUSTOMER, key=KEY)
    parcel = build_shipment(number=new_number())

    assert poll(parcel).subscription == ""
    assert subscriptions(outside, parcel) == []


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        ({}, 1),
        ({"subscription": "active"}, 1),
        ({"subscription": "active", "last_pushed_at": timedelta(hours=1)}, PUSHED_LESS),
        ({"subscription": "active", "last_pushed_at": PUSHES_SILENT + timedelta(minutes=1)}, 1),
        ({"subscription": "ended", "last_pushed_at": timedelta(hours=1)}, 1),
    ],
)
def test_pushed_parcel_is_polled_less_until_pushes_are_silent(columns: dict[str, Any], times: int) -> None:
    pushed = columns.get("last_pushed_at")
    at = {"last_pushed_at": timezone.now() - pushed} if pushed else {}
    keys = range(1, 201)
    parcels = [Shipment(pk=key, created_at=timezone.now(), **{**columns, **at}) for key in keys]

    longest = max(next_interval(one, floor=timedelta(minutes=30), cap=48) for one in parcels)

    assert HOURS * times * 0.95 < longest <= HOURS * times


def test_push_puts_the_next_poll_off_only_while_more_are_expected() -> None:
    parcels = [Shipment(pk=key, subscription="active") for key in range(1, 201)]
    assert HOURS < max(after_push(one, goes_on=True) for one in parcels) <= HOURS * PUSHED_LESS
    assert max(after_push(one, goes_on=False) for one in parcels) <= HOURS
