"""From the paid order to the parcel, with a warehouse in a process of its own that calls our interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from logistics.dispatch.instructions.tests.test_instructions import build_pull, count
from logistics.dispatch.webhooks.tests.builders import (
    REGION,
    at_warehouse,
    build_cloud,
    build_instructed,
    send,
    send_again,
)
from logistics.models import Dispatch, DispatchWebhook, Shipment, ShipmentException, Stock
from orders.clients import add_client
from orders.models import Order
from orders.tests.builders import build_merchant
from sandbox.tests.running import Running, started, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def outside(tmp_path: Path, live_server: LiveServer) -> Iterator[Running]:
    """A sandbox that calls this shop."""
    token = add_client(build_merchant(), name="warehouses", scopes=("shipments:write",))[1]
    (tmp_path / "dispatch_token").write_text(token)
    url = f"http://127.0.0.1:{live_server.thread.port}"
    with started(tmp_path, ORDERSITE_URL=url) as running:
        yield running


def is_shipped(order: Order) -> bool:
    return bool(Order.objects.get(pk=order.pk).status == "shipped")


def test_pushed_refused_taken_confirmed_shipped(outside: Running) -> None:
    """The nearest warehouse is out of stock; the other one's first answer is lost, and it sends one parcel."""
    build_cloud(outside, "near", regions=[REGION])
    far = build_cloud(outside, "far")
    count(far, "cup-1", 5)
    order, refused = build_instructed(cups=2)
    outside.control("faults", target="cloud.push", fault="out_of_stock")
    send()
    outside.control("faults", target="cloud.push", fault="timeout", value=0)
    send()
    send_again()

    wait_for(lambda: is_shipped(order))

    parcel = Shipment.objects.get(order=order)
    taken = Dispatch.objects.get(order=order, warehouse=far)
    wait_for(lambda: at_warehouse(outside, taken)["state"] == "shipped")
    there = at_warehouse(outside, taken)
    assert (there["created"], there["received"], there["tracking_number"]) == (1, 2, parcel.tracking_number)
    assert (parcel.warehouse_id, taken.status, there["cancellations"]) == (far.pk, "shipped", 0)
    assert Dispatch.objects.get(pk=refused.pk).status == "refused"
    assert Stock.objects.values_list("on_hand", "reserved").get(warehouse=far) == (3, 0)
    assert not ShipmentException.objects.exists()
    assert not DispatchWebhook.objects.filter(next_try_at__isnull=False).exists()


def test_fetched_acknowledged_confirmed_shipped(outside: Running) -> None:
    """An ERP that fetches twice and acknowledges twice sends one parcel all the same."""
    build_pull("hz")
    outside.control("faults", target="erp.fetch", fault="no_ack")
    outside.control("faults", target="erp.fetch", fault="duplicate")
    order, dispatch = build_instructed(cups=2)
    outside.control("fetching", slug="hz")

    wait_for(lambda: is_shipped(order))

    assert Shipment.objects.filter(order=order).count() == 1
    assert Dispatch.objects.get(pk=dispatch.pk).status == "shipped"


def test_an_erp_without_stock_is_routed_past(outside: Running) -> None:
    build_pull("hz", REGION)
    build_pull("all")
    outside.control("faults", target="erp.fetch", fault="out_of_stock")
    order, refused = build_instructed()
    outside.control("fetching", slug="hz")
    wait_for(lambda: Dispatch.objects.get(pk=refused.pk).status == "refused")
    send()
    outside.control("fetching", slug="all")

    wait_for(lambda: is_shipped(order))

    assert Shipment.objects.get(order=order).warehouse.slug == "all"
