"""Builders for tests of the API: an HTTP client with a token, a valid body, a call."""

from __future__ import annotations

import itertools
import json
import secrets
from typing import Any

from django.test import Client
from django.utils import timezone

from orders import clients
from orders.history.lines import Actor
from orders.intake.drafts import AddressDraft, BuyerDraft, LineDraft, OrderDraft
from orders.models import ApiClient
from orders.tests.builders import build_merchant
from ordersite.lib.money import parse_amount

_serial = itertools.count(1)
BOTH = ("orders:read", "orders:write")


def build_caller(merchant: str = "demo", *, scopes: tuple[str, ...] = BOTH) -> Client:
    """An HTTP client that carries the token of an API client; its use in this hour is noted already."""
    row, token = clients.add_client(build_merchant(merchant), name="test", scopes=scopes)
    ApiClient.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
    return Client(headers={"authorization": f"Bearer {token}"})


def order_body(**changes: Any) -> dict[str, Any]:
    """A valid creation of 266.40 yuan for a new buyer."""
    body: dict[str, Any] = {
        "buyer": {
            "id": f"buyer-{next(_serial)}-{secrets.token_hex(3)}",
            "name": "王小明",
            "phone": "13800138000",
        },
        "lines": [{"product_id": "cup-1", "name": "保温杯", "quantity": 3, "unit_price": "88.80"}],
        "address": {"province": "广东省", "city": "深圳市", "district": "南山区", "street": "科技园 1 号"},
    }
    return {**body, **changes}


def post_json(caller: Client, path: str, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return caller.post(path, raw, content_type="application/json", headers=headers)


def post_order(caller: Client, body: Any, key: str = "") -> Any:
    """POST /api/v1/orders/ with the key, or with a new one."""
    headers = {"idempotency-key": key or secrets.token_hex(8)}
    return post_json(caller, "/api/v1/orders/", body, **headers)


def build_draft(buyer_id: str = "", *, products: tuple[str, ...] = ("cup-1",), **changes: Any) -> OrderDraft:
    """A draft of one piece at 10.00 yuan for each product."""
    return OrderDraft(
        buyer=BuyerDraft(id=buyer_id or f"draft-{next(_serial)}", name="王小明", phone="13800138000"),
        lines=tuple(LineDraft(product, "保温杯", 1, parse_amount("10.00")) for product in products),
        address=AddressDraft("广东省", "深圳市", "南山区", "科技园 1 号"),
        actor=Actor("client", "test"),
        **changes,
    )
