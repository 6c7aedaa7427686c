"""Checks and reads what Kuaidi100 pushes for a subscription.

A push is a form of `param` and `sign`; `param` holds the whole history of a parcel in the shape of a query's answer, newest
first (kuaidi100-api/java-demo response/SubscribePushParamResp.java).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logistics.carriers.kuaidi100.codes import COMPANIES_BY_COM
from logistics.carriers.kuaidi100.routes import read_route, text_of
from logistics.carriers.kuaidi100.signatures import is_push_signature
from logistics.carriers.numbers import tidy_number
from logistics.carriers.push_form import fields_of
from logistics.carriers.types import MAX_EVIDENCE, CarrierKeys, PushCall, PushedRoute, PushRejected, PushReply
from ordersite.lib.strict_json import loads_object

STATUSES = frozenset(("polling", "shutdown", "abort", "updateall"))
# The subscription has ended: nothing more is pushed for the parcel.
ENDED = frozenset(("shutdown", "abort"))
OTHER = "other"
ACCEPTED = PushReply(
    200,
    "application/json;charset=UTF-8",
    '{"result": true, "returnCode": "200", "message": "成功"}'.encode(),
)
NOT_STORED = PushReply(
    500,
    "application/json;charset=UTF-8",
    '{"result": false, "returnCode": "500", "message": "失败"}'.encode(),
)


def read_push(call: PushCall, keys: CarrierKeys) -> PushedRoute:
    """The route that a push brings. Raises `PushRejected`."""
    form = fields_of(call.body)
    param, salt = form.get("param", ""), keys.secrets.get("salt", "")
    # Without a salt nothing is signed, and anybody who learns the address could move parcels.
    if not salt or not is_push_signature(form.get("sign", ""), param, salt=salt):
        raise PushRejected("bad_signature", "" if salt else "the account has no salt")
    return _pushed(_object(param), param)


def _object(param: str) -> dict[str, Any]:
    try:
        return loads_object(param)
    except ValueError as error:
        raise PushRejected("malformed", f"param {error}") from error


def _pushed(content: Mapping[str, Any], raw: str) -> PushedRoute:
    result = content.get("lastResult")
    if text_of(content, "status") not in STATUSES or not isinstance(result, dict):
        raise PushRejected("malformed", "status or lastResult")
    number = tidy_number(text_of(result, "nu"))
    if not 6 <= len(number) <= 40:
        raise PushRejected("malformed", "lastResult.nu")
    subscribed, corrected = _carriers(content, result)
    return PushedRoute(
        carrier=subscribed,
        tracking_number=number,
        route=read_route(result, raw[:MAX_EVIDENCE]),
        corrected_carrier=corrected,
        has_ended=text_of(content, "status") in ENDED,
    )


def _carriers(content: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[str, str]:
    """Our code of the carrier that was subscribed, and of the one that the vendor put in its place; empty if it did not."""
    old, new = text_of(content, "comOld"), text_of(content, "comNew")
    if not old or not new or old == new:
        return COMPANIES_BY_COM.get(text_of(result, "com"), OTHER), ""
    subscribed, corrected = COMPANIES_BY_COM.get(old, OTHER), COMPANIES_BY_COM.get(new, "")
    return subscribed, corrected if corrected != subscribed else ""
