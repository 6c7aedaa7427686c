"""The log of carriers' pushes: found by number, account and time, read masked, replayed with a right and a trace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import CarrierAccount, CarrierNotification, RefusedPush, Shipment
from logistics.pushes.apply import apply_pushes
from logistics.pushes.tests.senders import OTHER_SECRET, build_sender, message, said
from logistics.tests.builders import build_shipment, event, route_of

pytestmark = pytest.mark.django_db(transaction=True)
LOG = "/admin/logistics/carriernotification/"
PICKED = said(0, "picked_up", "快递员张三 13800138000 已揽收")


def login(role: str = "") -> Client:
    client = Client()
    if role:
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
    else:
        user = User.objects.create_superuser("root")
    client.force_login(user)
    return client


def listed(staff: Client, **filters: Any) -> list[int]:
    page = staff.get(LOG, filters)
    assert page.status_code == 200, filters
    return [row.pk for row in page.context["cl"].result_list]


def two_pushes() -> Shipment:
    """One that was applied yesterday, and a rejected one of now."""
    parcel = build_shipment()
    sender = build_sender(parcel.merchant)
    sender.say(parcel, PICKED)
    apply_pushes()
    CarrierNotification.objects.update(received_at=timezone.now() - timedelta(days=1))
    sender.push(message("YT0000000000009", [PICKED]), secret=OTHER_SECRET)
    return parcel


def test_each_filter_finds_its_rows() -> None:
    staff, parcel = login(), two_pushes()
    first, second = CarrierNotification.objects.order_by("pk").values_list("pk", flat=True)
    account = CarrierNotification.objects.get(pk=first).account_id
    middle = (timezone.localtime() - timedelta(hours=3)).isoformat(timespec="minutes")
    for filters, found in (
        ({}, [second, first]),
        ({"connector": "webhook"}, [second, first]),
        ({"connector": "sf"}, []),
        ({"account__id__exact": account}, [second, first]),
        ({"verdict__exact": "rejected"}, [second]),
        ({"outcome": "applied"}, [first]),
        ({"outcome": "waiting"}, []),
        ({"q": parcel.tracking_number}, [first]),
        ({"q": f"#{second}"}, [second]),
        ({"since": middle}, [second]),
        ({"until": middle}, [first]),
    ):
        assert listed(staff, **filters) == found, filters


def test_detail_says_it_in_words_and_masks_the_body() -> None:
    staff = login("agent")
    parcel = two_pushes()
    good, bad = CarrierNotification.objects.order_by("pk")
    page = staff.get(f"{LOG}{good.pk}/change/").content.decode()
    assert parcel.tracking_number in page
    assert "张三 138****8000" in page
    assert "13800138000" not in page
    page = staff.get(f"{LOG}{bad.pk}/change/").content.decode()
    assert "签名与内容不符。" in page
    signature = bad.raw.headers["webhook-signature"]
    assert signature not in page


def test_replay_needs_the_right_and_leaves_a_trace() -> None:
    two_pushes()
    row = CarrierNotification.objects.verified().get()
    address = f"{LOG}{row.pk}/do/replay/"
    assert login("viewer").post(address).status_code == 403
    assert CarrierNotification.objects.get(pk=row.pk).outcome == "applied"

    assert login("agent").post(address).status_code == 302
    apply_pushes()

    assert CarrierNotification.objects.get(pk=row.pk).outcome == "duplicate"
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id, entry.change_message) == ("agent", str(row.pk), "replay")


def test_replay_that_changes_nothing_says_why() -> None:
    two_pushes()
    row = CarrierNotification.objects.rejected().get()
    page = login().post(f"{LOG}{row.pk}/do/replay/", follow=True).content.decode()
    assert "用当前密钥重新验签仍未通过，没有任何改动。" in page
    assert not LogEntry.objects.exists()


def test_counted_pushes_are_a_page_of_the_log() -> None:
    RefusedPush.objects.create(
        day=timezone.localdate(), path="/push/sf/", reason="too_large", calls=3, last_at=timezone.now()
    )
    page = login("operations").get("/admin/logistics/refusedpush/").content.decode()
    assert "内容超过 64 KiB。" in page
    assert f'href="{LOG}"' in page
    assert 'href="/admin/logistics/refusedpush/" aria-current="page"' in page


def test_unknown_codes_lead_to_their_events() -> None:
    parcel = build_shipment(carrier="sf")
    way = route_of(
        event(0, TrackingStatus.UNKNOWN, "怪事", code="999"), event(1, TrackingStatus.IN_TRANSIT, "离开")
    )
    apply_route(parcel, way, next_check_in=timedelta(hours=2), source="sf")
    page = login("viewer").get("/admin/logistics/trackingevent/").content.decode()
    assert 'href="/admin/logistics/trackingevent/?source=sf&amp;code=999"' in page
    assert "怪事" in page
    assert "离开" not in page
    found = login("agent").get("/admin/logistics/trackingevent/?source=sf&code=999")
    assert [row.text for row in found.context["cl"].result_list] == ["怪事"]


def test_map_is_applied_again_from_the_account_page() -> None:
    parcel = build_shipment(carrier="sf")
    apply_route(
        parcel, route_of(event(0, TrackingStatus.UNKNOWN, "签收", code="80")), next_check_in=None, source="sf"
    )
    account = CarrierAccount.objects.create(slug="sf", carrier="sf", merchant=parcel.merchant)
    address = f"/admin/logistics/carrieraccount/{account.pk}/do/remap/"
    assert login("agent").post(address).status_code == 403
    page = login("operations").post(address, follow=True).content.decode()
    assert "1 个包裹的 1 条轨迹有变化" in page
    assert Shipment.objects.get().status == "delivered"
    assert LogEntry.objects.get().change_message == "remap"
