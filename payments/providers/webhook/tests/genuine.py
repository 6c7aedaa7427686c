"""The genuine notification of the webhook provider for the forgery test."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from payments.providers.tests.genuine import GenuineNotification
from payments.providers.types import AccountKeys, RawNotification
from payments.tests.builders import WEBHOOK_SECRET, sign_webhook

RECEIVED_AT = datetime(2026, 11, 22, 6, 2, 12, tzinfo=UTC)


def _signed() -> tuple[RawNotification, AccountKeys]:
    data = {
        "reference": "7F3K2026112200420001",
        "provider_reference": "wh-1",
        "amount": "266.40",
        "currency": "CNY",
    }
    payload = {"type": "payment.succeeded", "timestamp": RECEIVED_AT.isoformat(), "data": data}
    body, headers = sign_webhook(json.dumps(payload).encode(), at=RECEIVED_AT)
    keys = AccountKeys("webhook", "demo-webhook", {}, {"secret": WEBHOOK_SECRET}, "1")
    return RawNotification(headers, body, RECEIVED_AT), keys


GENUINE = {"": GenuineNotification(_signed, 20_000, is_raw_signed=True)}
