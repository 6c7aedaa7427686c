"""Sends to Kuaidi100 over HTTP."""

from __future__ import annotations

from typing import Any

from logistics.carriers.types import CarrierError
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.strict_json import loads, loads_object

_FORM = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}


def ask(url: str, form: str, gateway: Gateway) -> Reply:
    """Post a form that may be repeated after any failure. Raises `CarrierError` unless it was answered with HTTP 200."""
    try:
        reply = gateway.post(url, content=form.encode(), headers=_FORM)
    except OutsideError as error:
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error
    return _usable(reply)


def read_list(url: str, gateway: Gateway) -> Any:
    """Get the JSON value at an address. Raises `CarrierError`."""
    try:
        reply = _usable(gateway.get(url))
        return loads(reply.body)
    except ValueError as error:
        raise CarrierError("busy", f"the answer {error}") from error
    except CarrierError:
        raise
    except OutsideError as error:
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error


def _usable(reply: Reply) -> Reply:
    if reply.status == 429:
        raise CarrierError("throttled", "HTTP 429")
    if reply.status != 200:
        raise CarrierError("busy", f"HTTP {reply.status}")
    return reply


def act(url: str, form: str, gateway: Gateway) -> dict[str, Any]:
    """Post a form that makes or cancels something, and read the answer.

    Raises `CarrierError`: `unknown` wherever the vendor may have acted on it without saying so.
    """
    try:
        reply = gateway.post(url, content=form.encode(), headers=_FORM)
    except OutsideError as error:
        if not error.outcome_known:
            raise CarrierError("unknown", error.code) from error
        raise CarrierError("busy" if error.retryable else "misconfigured", error.code) from error
    if reply.status == 429:
        raise CarrierError("throttled", "HTTP 429")
    if reply.status != 200:
        raise CarrierError("unknown", f"HTTP {reply.status}")
    try:
        return loads_object(reply.body)
    except ValueError as error:
        raise CarrierError("unknown", f"the answer {error}") from error
