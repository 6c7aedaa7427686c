"""Sends a call to a carrier, and says what a failure means: a query may be repeated, an order may have been taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logistics.carriers.types import CarrierError
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.strict_json import loads

# What a web server answers before a program has seen the call.
_NOT_TAKEN = frozenset((401, 403, 404, 405, 413, 415))


def send_query(gateway: Gateway, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
    """Send what changes nothing at the carrier. Raises `CarrierError` throttled, busy or misconfigured."""
    try:
        reply = gateway.post(url, content=content, headers=headers)
    except OutsideError as error:
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error
    if reply.status != 200:
        raise CarrierError("throttled" if reply.status == 429 else "busy", f"HTTP {reply.status}")
    return reply


def send_action(gateway: Gateway, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
    """Send what makes or cancels a waybill.

    Raises `CarrierError`: unknown after a time-out, a 5xx and whatever else may have been taken; throttled, busy or
    misconfigured where it certainly was not.
    """
    try:
        reply = gateway.post(url, content=content, headers=headers)
    except OutsideError as error:
        if not error.outcome_known:
            raise CarrierError("unknown", error.code) from error
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error
    if reply.status == 200:
        return reply
    code = (
        "throttled" if reply.status == 429 else "misconfigured" if reply.status in _NOT_TAKEN else "unknown"
    )
    raise CarrierError(code, f"HTTP {reply.status}")


def read_json(reply: Reply, *, otherwise: str) -> Any:
    """The JSON of an answer. Raises `CarrierError` with the code `otherwise` where it cannot be read."""
    try:
        return loads(reply.body)
    except ValueError as error:
        raise CarrierError(otherwise, f"the answer {error}") from error


def text_of(data: Mapping[str, Any], name: str) -> str:
    """A field as trimmed text, also of a whole number; empty for anything else."""
    value = data.get(name)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
