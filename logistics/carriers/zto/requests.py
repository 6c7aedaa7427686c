"""What is sent to ZTO: bodies, their signature and their headers. Pure functions."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
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

TRACK = "zto.merchant.waybill.track.query"
CREATE = "zto.open.createOrder"
FIND = "zto.open.getOrderInfo"
CANCEL = "zto.open.cancelPreOrder"

_NUMBER = re.compile(r"[0-9A-Z]{10,20}", re.ASCII)
_MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
# A customer with an electronic waybill account (not a group) who gets the number in the answer.
_PARTNER, _WITH_NUMBER, _ORDINARY_ACCOUNT = "2", "1", 1
_CANCELLED_BY_SENDER = "1"


def digest_of(body: bytes, *, secret: str) -> str:
    """Base64 of the raw MD5 of body + secret, over the very bytes that are sent (the console's default)."""
    raw = hashlib.md5(body + secret.encode(), usedforsecurity=False).digest()
    return base64.b64encode(raw).decode()


def headers_of(body: bytes, keys: CarrierKeys) -> dict[str, str]:
    """The headers that name the account and sign the body."""
    return {
        "content-type": "application/json; charset=utf-8",
        "x-appKey": keys.config.get("app_key", ""),
        "x-dataDigest": digest_of(body, secret=keys.secrets.get("app_secret", "")),
    }


def address_of(operation: str, keys: CarrierKeys) -> str:
    """The address of an operation."""
    return f"{keys.config.get('gateway_url', '').rstrip('/')}/{operation}"


def to_json(content: Mapping[str, Any]) -> bytes:
    """The body to sign and to send."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def track_content(query: TrackingQuery) -> dict[str, Any]:
    """A query of one route. Raises `CarrierError` if it cannot succeed."""
    number = tidy_number(query.tracking_number)
    if not _NUMBER.fullmatch(number):
        raise CarrierError("not_accepted", number)
    if not query.phone_last4:
        raise CarrierError("phone_needed")
    return {"billCode": number, "mobilePhone": query.phone_last4}


def create_content(request: WaybillRequest, keys: CarrierKeys) -> dict[str, Any]:
    """The order of a waybill; `partnerOrderCode` is our reference."""
    content = {
        "partnerType": _PARTNER,
        "orderType": _WITH_NUMBER,
        "partnerOrderCode": request.reference,
        "accountInfo": {
            "accountId": keys.config.get("account_id", ""),
            "accountPassword": keys.secrets.get("account_password", ""),
            "type": _ORDINARY_ACCOUNT,
        },
        "senderInfo": _contact("sender", request.sender),
        "receiveInfo": _contact("receiver", request.receiver),
        "orderItems": [{"name": one.name[:60], "quantity": one.quantity} for one in request.goods],
        "summaryInfo": {"quantity": sum(one.quantity for one in request.goods)},
        "remark": request.remark,
    }
    if request.insured_value is not None:
        content["orderVasList"] = [{"vasType": "insured", "vasAmount": _fen(request.insured_value)}]
    return content


def find_content(request: WaybillRequest) -> dict[str, Any]:
    """A query of what was ordered under our reference; type 1 are orders with a number."""
    return {"type": 1, "partnerOrderCode": request.reference}


def cancel_content(waybill: MadeWaybill) -> dict[str, Any]:
    """The cancelling of a waybill by its number."""
    return {"billCode": tidy_number(waybill.tracking_number), "cancelType": _CANCELLED_BY_SENDER}


def _contact(side: str, contact: Contact) -> dict[str, str]:
    kind = "Mobile" if _MOBILE.fullmatch(contact.phone) else "Phone"
    return {
        f"{side}Name": contact.name,
        f"{side}{kind}": contact.phone,
        f"{side}Province": contact.province,
        f"{side}City": contact.city,
        f"{side}District": contact.district,
        f"{side}Address": contact.street,
    }


def _fen(yuan: Decimal) -> int:
    return int((yuan * 100).to_integral_value())
