"""What staff do with waybills: order, resolve, cancel, print."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from logistics.models import Shipment, Warehouse, WaybillOrder, WaybillStatus
from logistics.tests.builders import build_paid
from logistics.waybills.own_label import draw
from logistics.waybills.resolve import resolve_waybills
from logistics.waybills.tests.builders import build_reserved, build_small_account, caller, post_waybill
from logistics.waybills.tests.small_carrier import LABEL, NAME, SmallCarrier
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(client: Client) -> Client:
    user = User.objects.create_user("agent", is_staff=True)
    user.groups.add(Group.objects.get(name="agent"))
    client.force_login(user)
    return client


def do(client: Client, order: Order, **changes: Any) -> Any:
    form = {"account": "", "carrier": NAME, "warehouse": Warehouse.objects.get().pk, "insured_value": ""}
    address = reverse("admin:orders_order_do", args=[order.pk, "waybill"])
    return client.post(address, {**form, **changes}, follow=True)


def test_staff_order_a_waybill(agent: Client, carrier: SmallCarrier) -> None:
    account = build_small_account(carrier)
    order = build_paid()

    shown = do(agent, order, account=account.pk)

    assert Shipment.objects.get().tracking_number in shown.content.decode()
    assert WaybillOrder.objects.get().actor_kind == "staff"


def test_a_refusal_is_shown_and_the_form_kept(agent: Client, carrier: SmallCarrier) -> None:
    account = build_small_account(carrier)
    carrier.faults["create"] = ["地址超区"]
    order = build_paid()

    shown = do(agent, order, account=account.pk)

    assert "地址超区" in shown.content.decode()
    assert Order.objects.get(pk=order.pk).status == "paid"


def test_staff_cancel_and_resolve(agent: Client, carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    one, other = build_reserved(build_paid()), build_reserved(build_paid())

    agent.post(reverse("admin:logistics_waybillorder_do", args=[one.pk, "cancel"]), {"reason": "买家不要了"})
    agent.post(reverse("admin:logistics_waybillorder_do", args=[other.pk, "resolve"]))
    resolve_waybills()

    statuses = dict(WaybillOrder.objects.values_list("pk", "status"))
    assert statuses == {one.pk: WaybillStatus.CANCELLED, other.pk: WaybillStatus.MADE}


def test_labels_are_printed_and_packed(agent: Client, carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    post_waybill(caller(), build_paid())
    build_reserved(build_paid())
    chosen = list(WaybillOrder.objects.values_list("pk", flat=True))
    address = reverse("admin:logistics_waybillorder_changelist")

    page = agent.post(address, {"action": "show_labels", "_selected_action": chosen})
    packed: Any = agent.post(address, {"action": "download_labels", "_selected_action": chosen})

    number = Shipment.objects.get().tracking_number
    assert page.content.decode().count('width="76mm"') == 1
    assert number in page.content.decode()
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.namelist() == [f"{NAME}-{number}.pdf"]
        assert archive.read(archive.namelist()[0]) == LABEL


def test_a_long_name_leaves_the_phone_on_the_label(agent: Client, carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid()
    Order.objects.filter(pk=order.pk).update(buyer_name="买" * 80, buyer_phone="13800138000")
    post_waybill(caller(), order)

    label = draw(WaybillOrder.objects.get())

    (line,) = [text for text in re.findall(r">([^<]*)</text>", label) if "13800138000" in text]
    assert re.fullmatch("买{13}… 13800138000", line)


def test_labels_need_the_right(client: Client, carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    post_waybill(caller(), build_paid())
    user = User.objects.create_user("viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    waybill = WaybillOrder.objects.get()
    data = {"action": "show_labels", "_selected_action": [waybill.pk]}

    shown = client.post(reverse("admin:logistics_waybillorder_changelist"), data, follow=True)

    assert 'width="76mm"' not in shown.content.decode()
    assert client.get(reverse("admin:logistics_waybillorder_label", args=[waybill.pk])).status_code == 403
