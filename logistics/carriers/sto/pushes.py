"""Reads STO's pushes of routes and answers them. Pure functions.

A push is a form like a call to the gateway: `content` is the JSON of one event, `data_digest` its digest under the
application's secret key. Sources: STO_TRACE_PLATFORM_PUSH (open.sto.cn) as zhengjy/cmhq, Kooboo and txze/wzkj-common read
it; the last one compares the digest. STO pushes again what is not answered in time.
"""

from __future__ import annotations

import hmac
import json
import re

from logistics.carriers.exchange import text_of
from logistics.carriers.numbers import tidy_number
from logistics.carriers.push_form import fields_of
from logistics.carriers.sto.envelope import digest_of
from logistics.carriers.sto.routes import route_of
from logistics.carriers.types import CarrierKeys, PushedRoute, PushRejected, PushReply
from ordersite.lib.strict_json import loads_object

MOST_BYTES = 64 * 1024
_NUMBER = re.compile(r"[0-9A-Z]{8,20}", re.ASCII)


def read_push(body: bytes, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
    """Check and read a push of one event. Raises `PushRejected`."""
    if len(body) > MOST_BYTES:
        raise PushRejected("malformed", "too large")
    form = fields_of(body)
    content, secret = form.get("content", ""), keys.secrets.get("secret_key", "")
    if not content:
        raise PushRejected("malformed", "content")
    right = digest_of(content, secret=secret).encode()
    if not secret or not hmac.compare_digest(right, form.get("data_digest", "").encode()):
        raise PushRejected("bad_signature", "data_digest")
    return (_pushed(content),)


def reply(accepted: bool) -> PushReply:
    """STO's words for a push that was stored, or that was not."""
    words = {
        "success": accepted,
        "errorCode": "" if accepted else "500",
        "errorMsg": "" if accepted else "失败",
    }
    return PushReply(
        200 if accepted else 500, "application/json", json.dumps(words, ensure_ascii=False).encode()
    )


def _pushed(content: str) -> PushedRoute:
    try:
        found = loads_object(content)
    except ValueError as error:
        raise PushRejected("malformed", f"JSON {error}") from error
    number, trace = tidy_number(text_of(found, "waybillNo")), found.get("trace")
    if not _NUMBER.fullmatch(number):
        raise PushRejected("malformed", "waybillNo")
    route = route_of([trace]) if isinstance(trace, dict) else None
    if route is None or not route.events:
        raise PushRejected("malformed", "trace")
    return PushedRoute(carrier="sto", tracking_number=number, route=route)
