"""Builds the provider's side of the webhook form; the standardwebhooks package signs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook as Oracle

from payments.providers.types import (
    AccountKeys,
    RawNotification,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PREVIOUS = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
STRANGER = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy"
NOW = datetime(2026, 11, 22, 6, 2, 12, tzinfo=UTC)
REFERENCE = "7F3K2026112200420001"
DATA: Mapping[str, Any] = {
    "reference": REFERENCE,
    "provider_reference": "pay_981",
    "amount": "266.40",
    "currency": "CNY",
    "paid_at": "2026-11-22T14:02:09+08:00",
}


def account(**config: str) -> AccountKeys:
    return AccountKeys(
        "webhook", "demo-webhook", config, {"secret": SECRET, "previous_secrets": [PREVIOUS]}, "1"
    )


def payload(kind: str = "payment.succeeded", **data: Any) -> bytes:
    message = {"type": kind, "timestamp": "2026-11-22T06:02:10Z", "data": {**DATA, **data}}
    return json.dumps(message, ensure_ascii=False).encode()


def call(
    body: bytes, *, secret: str = SECRET, at: datetime = NOW, message_id: str = "msg_1"
) -> RawNotification:
    """A call as the reference implementation signs it, received at `NOW`."""
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Oracle(secret).sign(message_id, at, body.decode()),
    }
    return RawNotification(headers, body, NOW)
