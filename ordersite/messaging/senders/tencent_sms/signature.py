"""Tencent Cloud's signature v3, TC3-HMAC-SHA256. Pure functions.

Source: cloud.tencent.com/document/api/213/30654, whose example is in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"
_SIGNED = "content-type;host;x-tc-action"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCall:
    """What is signed of a call; `host` is the header, `timestamp` Unix seconds."""

    url: str
    host: str
    service: str
    action: str
    body: bytes = field(repr=False)
    timestamp: int


def authorization(call: SignedCall, *, secret_id: str, secret_key: str) -> str:
    """The value of the header Authorization."""
    day = time.strftime("%Y-%m-%d", time.gmtime(call.timestamp))
    scope = f"{day}/{call.service}/tc3_request"
    parts = urlsplit(call.url)
    headers = f"content-type:{CONTENT_TYPE}\nhost:{call.host}\nx-tc-action:{call.action.lower()}\n"
    request = "\n".join(("POST", parts.path or "/", parts.query, headers, _SIGNED, _hash(call.body)))
    text = f"{ALGORITHM}\n{call.timestamp}\n{scope}\n{_hash(request.encode())}"
    key = f"TC3{secret_key}".encode()
    for part in (day, call.service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={_SIGNED}, Signature={signature}"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
