"""Verifies and parses the notification of the webhook form, which docs/adding-a-provider.md defines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ordersite.lib.strict_json import loads_object
from payments.providers.errors import Rejected
from payments.providers.types import AccountKeys, ParsedNotification, RawNotification, UpdateKind
from payments.providers.values import (
    CURRENCY,
    MAX_REFERENCE,
    MAX_STATE,
    event_id,
    facts_digest,
    read_amount,
)
from payments.providers.webhook.signature import check_signature

_KINDS = {
    "payment.succeeded": UpdateKind.PAYMENT,
    "payment.closed": UpdateKind.CLOSED,
    "refund.succeeded": UpdateKind.REFUND,
}
# The last part of a type of a later version that says that no money has moved.
_NO_MONEY = frozenset(
    ("created", "pending", "processing", "failed", "cancelled", "canceled", "expired", "rejected", "updated")
)


def account_secrets(keys: AccountKeys) -> list[str]:
    """The current secret and the previous ones, which are accepted while a secret is being changed."""
    return [keys.secret("secret"), *keys.secret_list("previous_secrets")]


def read_text(data: Mapping[str, Any], name: str, *, longest: int = MAX_REFERENCE) -> str:
    """A text member; empty when absent or null. Raises ValueError when it is of another type or too long."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(f"{name} must be a text of at most {longest} characters")
    return value


def read_time(data: Mapping[str, Any], name: str) -> datetime | None:
    """A time as UTC, from ISO 8601 with a zone; None when absent. Raises ValueError for any other text."""
    text = read_text(data, name)
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{name} has no zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{name} is out of range") from error


def read_money(data: Mapping[str, Any], name: str) -> Decimal | None:
    return read_amount(read_text(data, name))


def parse_notification(call: RawNotification, keys: AccountKeys) -> ParsedNotification:
    """Verify and parse a notification. Raises `Rejected`."""
    try:
        message_id = check_signature(call, account_secrets(keys))
        payload = loads_object(call.body)
        data = payload.get("data")
        if not isinstance(data, dict):
            raise Rejected("malformed", "data must be an object")
        return _parsed(message_id, payload, data)
    except ValueError as error:
        raise Rejected("malformed", str(error)[:200]) from error


def _occurred_at(payload: Mapping[str, Any], data: Mapping[str, Any], kind: UpdateKind) -> datetime | None:
    """The time of the event: `paid_at` for a payment, the message's own `timestamp` for everything else."""
    paid_at, sent_at = read_time(data, "paid_at"), read_time(payload, "timestamp")
    return (paid_at or sent_at) if kind is UpdateKind.PAYMENT else sent_at


def _parsed(message_id: str, payload: Mapping[str, Any], data: Mapping[str, Any]) -> ParsedNotification:
    event = read_text(payload, "type")
    kind = _KINDS.get(event, UpdateKind.OTHER)
    if not event:
        raise Rejected("missing_field", "type")
    key = event_id(message_id, facts_digest([event, data]))
    if kind is UpdateKind.OTHER:
        return _unknown(key, event, data)
    reference = read_text(data, "reference")
    if not reference:
        raise Rejected("missing_field", "data.reference")
    amount, refund = read_money(data, "amount"), kind is UpdateKind.REFUND
    # A provider that keeps no sum sends only the amount of this refund; the caller then adds the sum up.
    refunded = read_money(data, "refunded_amount") if refund else None
    return ParsedNotification(
        event_id=key,
        kind=kind,
        reference=reference,
        provider_reference=read_text(data, "provider_reference"),
        amount=None if refund else amount,
        currency=read_text(data, "currency", longest=3) or CURRENCY,
        occurred_at=_occurred_at(payload, data, kind),
        refund_reference=read_text(data, "refund_reference"),
        refund_amount=amount if refund else None,
        refunded_total=refunded,
        state=event[:MAX_STATE],
    )


def _unknown(key: str, event: str, data: Mapping[str, Any]) -> ParsedNotification:
    """A type of a later version of the form: accepted whatever its data; where they hold an amount, for a person."""
    moves_money = "amount" in data and event.rpartition(".")[2] not in _NO_MONEY
    return ParsedNotification(
        event_id=key,
        kind=UpdateKind.UNCLEAR if moves_money else UpdateKind.OTHER,
        reference=_short_text(data.get("reference")),
        provider_reference=_short_text(data.get("provider_reference")),
        amount=read_amount(_short_text(data.get("amount"))),
        state=event[:MAX_STATE],
    )


def _short_text(value: object) -> str:
    return value[:MAX_REFERENCE] if isinstance(value, str) else ""
