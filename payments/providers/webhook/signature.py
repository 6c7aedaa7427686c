"""Verifies the signature of a notification of the webhook form."""

from __future__ import annotations

from ordersite.lib.webhooks import signature
from payments.providers.errors import Rejected
from payments.providers.types import RawNotification
from payments.providers.values import MAX_BODY


def check_signature(call: RawNotification, secrets: list[str]) -> str:
    """The webhook-id of a genuine message that is not stale, signed with one of `secrets`. Raises `Rejected`."""
    if len(call.body) > MAX_BODY:
        raise Rejected("too_large")
    try:
        return signature.check_signature(call.headers, call.body, secrets=secrets, at=call.received_at)
    except signature.UntrustedMessage as error:
        raise Rejected(error.code, error.detail) from error
