"""An outside system that pushes events in the webhook form, and the account that it pushes to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.test import Client
from django.utils import timezone

from logistics.accounts import save_account
from logistics.models import CarrierAccount, Shipment
from orders.models import Merchant
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers

SECRET = "whsec_" + "cHVzaC1zZWNyZXQtb2YtYS10ZXN0LW5ldmVyLXVzZWQ="
OTHER_SECRET = "whsec_" + "b3RoZXItc2VjcmV0LW9mLWEtdGVzdC1uZXZlci11c2VkIQ=="


@dataclass(frozen=True, slots=True)
class Sender:
    """A system that knows an account's push address and secret."""

    account: CarrierAccount
    path: str

    def push(self, body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> Any:
        headers = signed_headers(secret_bytes(secret), body, message_id="msg_1", at=at or timezone.now())
        del headers["content-type"]
        return Client().post(self.path, body, content_type="application/json", headers=headers)

    def say(self, parcel: Shipment, *events: dict[str, str]) -> Any:
        return self.push(message(parcel.tracking_number, events, carrier=parcel.carrier))


def build_sender(merchant: Merchant, *, slug: str = "pushes", **more: str) -> Sender:
    saved = save_account(slug, carrier="webhook", merchant=merchant, data={"secret": SECRET, **more})
    return Sender(saved.account, "/" + saved.push_url.split("/", 3)[3])


def said(minute: int, status: str, text: str, location: str = "杭州市") -> dict[str, str]:
    """An event `minute` minutes after nine o'clock in Beijing, of a day in the past."""
    at = f"2026-11-01T{9 + minute // 60:02d}:{minute % 60:02d}:00+08:00"
    return {"at": at, "status": status, "text": text, "location": location}


def message(number: str, events: Sequence[dict[str, str]], *, carrier: str = "yto") -> bytes:
    content = {"carrier": carrier, "tracking_number": number, "events": list(events)}
    return json.dumps(content, ensure_ascii=False).encode()
