"""Builders of ordered waybills for tests, and calls of the API."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.test import Client
from django.utils import timezone

from logistics.accounts import save_account
from logistics.models import CarrierAccount, WaybillOrder
from logistics.waybills.reserve import WantedWaybill, reserve
from logistics.waybills.tests.small_carrier import NAME, SmallCarrier
from orders.history.lines import Actor
from orders.models import Merchant, Order
from orders.tests.builders import build_merchant
from orders.tests.calls import build_caller, post_json

SLUG = "small"


def build_small_account(
    carrier: SmallCarrier, *, merchant: Merchant | None = None, slug: str = SLUG, **more: str
) -> CarrierAccount:
    data = {"gateway_url": carrier.url, "secret": "s3cret-of-the-carrier", **more}
    return save_account(slug, carrier=NAME, merchant=merchant or build_merchant(), data=data).account


def caller() -> Client:
    return build_caller(scopes=("shipments:write",))


def post_waybill(client: Client, order: Order, *, key: str = "", **changes: Any) -> Any:
    """POST a waybill of the small carrier with the key, or with a new one."""
    body = {"carrier": NAME, "account": SLUG, "warehouse": "main", **changes}
    path = f"/api/v1/orders/{order.number}/waybills/"
    return post_json(client, path, body, **{"idempotency-key": key or secrets.token_hex(8)})


def build_reserved(order: Order, *, account: str = SLUG) -> WaybillOrder:
    """A waybill that is committed; the process that stored it died before it called the carrier."""
    wanted = WantedWaybill(carrier=NAME, account=account, warehouse="main")
    with transaction.atomic():
        waybill = reserve(order, wanted, actor=Actor("client", "test"))
    WaybillOrder.objects.filter(pk=waybill.pk).update(leased_until=None)
    return waybill


def make_due(order: Order | None = None) -> None:
    """Let the time of all backoffs and leases pass, or of those of one order."""
    waiting = WaybillOrder.objects.filter(next_try_at__isnull=False)
    if order is not None:
        waiting = waiting.filter(order=order)
    waiting.update(next_try_at=timezone.now() - timedelta(seconds=1), leased_until=None)
