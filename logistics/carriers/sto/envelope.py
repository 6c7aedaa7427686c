"""The form that every call to STO's gateway is, and that its pushes are: the content as JSON text and its digest.

Sources: the platform's rule of data_digest as it stands in Kooboo, radishesflight/express-age, zhengjy/cmhq,
fuzui/aggregatelogistics and txze/wzkj-common, which agree. Pure functions.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from logistics.carriers.types import CarrierKeys

HEADERS: Mapping[str, str] = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}


@dataclass(frozen=True, slots=True)
class StoInterface:
    """One interface of the gateway; `receiver` is the application behind it, which is key and code at once."""

    name: str
    receiver: str


ROUTES = StoInterface("STO_TRACE_QUERY_COMMON", "sto_trace_query")
CREATE = StoInterface("OMS_EXPRESS_ORDER_CREATE", "sto_oms")
CANCEL = StoInterface("EDI_MODIFY_ORDER_CANCEL", "edi_modify_order")


def digest_of(content: str, *, secret: str) -> str:
    """Base64 of the raw MD5 of content + secret key, over the very text that is sent (UTF-8)."""
    raw = hashlib.md5(f"{content}{secret}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(raw).decode()


def form_of(interface: StoInterface, content: Mapping[str, Any], keys: CarrierKeys) -> bytes:
    """The body of a call. `from_code` is the application's key where the account says nothing else."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    app_key = keys.config.get("app_key", "")
    form = {
        "content": text,
        "data_digest": digest_of(text, secret=keys.secrets.get("secret_key", "")),
        "api_name": interface.name,
        "from_appkey": app_key,
        "from_code": keys.config.get("from_code") or app_key,
        "to_appkey": interface.receiver,
        "to_code": interface.receiver,
    }
    return urlencode(form).encode()
