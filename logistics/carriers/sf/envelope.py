"""The form that every call to SF is: who calls what, the content as JSON text, and its digest. Pure functions."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from logistics.carriers.types import CarrierKeys

HEADERS: Mapping[str, str] = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes a call unlike any other. `timestamp`: milliseconds since 1970 as text."""

    request_id: str
    timestamp: str


def java_quoted(text: str) -> str:
    """Encode as Java's URLEncoder does: it leaves `*` alone and encodes `~`; Python's quote_plus does the reverse."""
    return quote_plus(text, safe="*-._").replace("~", "%7E")


def digest_of(msg_data: str, timestamp: str, *, checkword: str) -> str:
    """Base64 of the raw MD5 of the encoded msgData + timestamp + checkword, over the very text that is sent."""
    encoded = java_quoted(f"{msg_data}{timestamp}{checkword}").encode()
    return base64.b64encode(hashlib.md5(encoded, usedforsecurity=False).digest()).decode()


def form_of(service: str, content: Mapping[str, Any], keys: CarrierKeys, stamp: Stamp) -> bytes:
    """The body of a call."""
    msg_data = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    checkword = keys.secrets.get("checkword", "")
    form = {
        "partnerID": keys.config.get("partner_id", ""),
        "requestID": stamp.request_id,
        "serviceCode": service,
        "timestamp": stamp.timestamp,
        "msgDigest": digest_of(msg_data, stamp.timestamp, checkword=checkword),
        "msgData": msg_data,
    }
    return urlencode(form).encode()
