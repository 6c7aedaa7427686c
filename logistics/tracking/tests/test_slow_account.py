"""A slow account beside a healthy one: the carriers are a process of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Max

from logistics.accounts import save_account
from logistics.models import Shipment
from logistics.tests.builders import build_account, build_paid, build_parcels, build_shipment
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.outside import outside
from orders.tests.builders import build_merchant
from sandbox.carrier.kuaidi100 import CUSTOMER, KEY
from sandbox.tests.running import Running

__all__ = ["outside"]

ANSWERED_AFTER = 5.5


@pytest.mark.postgres
@pytest.mark.django_db
def test_healthy_account_goes_on_while_a_slow_one_drains(outside: Running) -> None:
    outside.control("faults", target="zto.query", fault="delay", value=ANSWERED_AFTER, times=None)
    zto = {
        "app_key": "SANDBOXZTO", "app_secret": "SANDBOXZTOSECRET", "gateway_url": f"{outside.url}/zto",
        "account_id": "sandbox", "account_password": "ZTO123", "queries_per_second": "10",
    }  # fmt: skip
    slow = build_shipment(carrier="zto", number="73211390619708")
    save_account("zto", carrier="zto", merchant=slow.merchant, data=zto)
    build_parcels(20, slow, prefix="1")
    other = build_merchant("other")
    healthy = build_shipment(order=build_paid(merchant=other))
    build_account(
        f"{outside.url}/kuaidi100/query.do", merchant=other, customer=CUSTOMER, key=KEY, slug="healthy"
    )
    build_parcels(1500, healthy, prefix="2")

    counts = poll_tracking(seconds=1)

    assert counts.failed == 0
    assert Shipment.objects.filter(merchant=other, last_poll_at=None).exists()
    slow_ended = Shipment.objects.filter(carrier="zto").aggregate(at=Max("last_checked_at"))["at"]
    healthy_ended = Shipment.objects.filter(merchant=other).aggregate(at=Max("last_checked_at"))["at"]
    assert healthy_ended > slow_ended - timedelta(seconds=1)
