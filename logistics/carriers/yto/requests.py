"""What is sent to YTO: bodies, their signature and the address and key of each interface. Pure functions."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import (
    CarrierError,
    CarrierKeys,
    Contact,
    MadeWaybill,
    TrackingQuery,
    WaybillRequest,
)

VERSION = "v1"
_NUMBER = re.compile(r"[0-9A-Z]{8,20}", re.ASCII)
_INSURED = 4


@dataclass(frozen=True, slots=True)
class YtoInterface:
    """One interface of the platform; `prefix` begins the keys of an account that hold its own address and key."""

    prefix: str
    method: str


TRACK = YtoInterface("track", "track_query_adapter")
CREATE = YtoInterface("create", "privacy_create_adapter")
CANCEL = YtoInterface("cancel", "korder_cancel_adapter")
INTERFACES = (TRACK, CREATE, CANCEL)


def sign(param: str, *, method: str, secret: str) -> str:
    """Base64 of the raw MD5 of param + method + version + secret; `param` is the exact text that is sent."""
    return _digest(f"{param}{method}{VERSION}{secret}")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode(), usedforsecurity=False).digest()).decode()


def address_of(interface: YtoInterface, keys: CarrierKeys) -> str:
    """The interface's own address, else `<gateway_url>/open/<method>/v1/<user_id>/<customer_code>`."""
    if own := keys.config.get(f"{interface.prefix}_url"):
        return own
    base = keys.config.get("gateway_url", "").rstrip("/").removesuffix("/open")
    customer = keys.config.get("customer_code", "")
    user = keys.config.get("user_id") or customer
    return f"{base}/open/{interface.method}/{VERSION}/{user}/{customer}"


def body_of(interface: YtoInterface, content: Mapping[str, Any], keys: CarrierKeys, *, at_ms: int) -> bytes:
    """The signed body. `at_ms`: now, in milliseconds of the epoch."""
    param = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    secret = keys.secrets.get(f"{interface.prefix}_secret") or keys.secrets.get("secret", "")
    envelope = {
        "timestamp": str(at_ms),
        "param": param,
        "sign": sign(param, method=interface.method, secret=secret),
        "format": "JSON",
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def track_content(query: TrackingQuery) -> dict[str, Any]:
    """A query of one route. Raises `CarrierError` if it cannot succeed."""
    number = tidy_number(query.tracking_number)
    if not _NUMBER.fullmatch(number):
        raise CarrierError("not_accepted", number)
    return {"NUMBER": number}


def create_content(request: WaybillRequest) -> dict[str, Any]:
    """The order of a waybill; `logisticsNo` is our reference."""
    content: dict[str, Any] = {
        "logisticsNo": request.reference,
        **_contact("sender", request.sender),
        **_contact("recipient", request.receiver),
        "goods": [{"name": one.name[:60], "quantity": one.quantity} for one in request.goods],
        "remark": request.remark,
    }
    if request.insured_value is not None:
        content["increments"] = [{"type": _INSURED, "amount": _yuan(request.insured_value)}]
    return content


def cancel_content(waybill: MadeWaybill) -> dict[str, Any]:
    """The cancelling of an order by our reference."""
    return {"logisticsNo": waybill.reference, "cancelDesc": "商家取消"}


def _contact(side: str, contact: Contact) -> dict[str, str]:
    return {
        f"{side}Name": contact.name,
        f"{side}Mobile": contact.phone,
        f"{side}ProvinceName": contact.province,
        f"{side}CityName": contact.city,
        f"{side}CountyName": contact.district,
        f"{side}Address": contact.street,
    }


def _yuan(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
