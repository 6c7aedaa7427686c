"""YTO's pushes: a form with one event as XML and its digest. Pure functions.

Source: third parties (the form and its names). How `data_digest` is computed on the new platform is not publicly known:
`DIGESTS` is the one place, and `push_digest` in the account's file chooses. Without it the older platform's rule counts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element, ParseError  # the types alone; defusedxml parses
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from logistics.carriers.numbers import tidy_number
from logistics.carriers.push_form import fields_of
from logistics.carriers.types import (
    MAX_EVIDENCE,
    CarrierKeys,
    PushCall,
    PushedRoute,
    PushRejected,
    PushReply,
    Route,
    RouteEvent,
    TrackingStatus,
)
from logistics.carriers.yto.codes import STATUS_BY_CONTENT
from ordersite.lib.china_time import read_beijing
from ordersite.lib.masking import mask_phones

USUAL_DIGEST = "base64"
_ZONE = re.compile(r"\s*(?:CST|GMT\+0?8(?::?00)?)$", re.ASCII)


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


# base64: of the raw MD5 of XML + secret. hex: its hexadecimal digits, in either case.
DIGESTS: Mapping[str, Callable[[str, str], str]] = {
    "base64": lambda xml, secret: base64.b64encode(_md5(xml + secret)).decode(),
    "hex": lambda xml, secret: _md5(xml + secret).hex(),
}


def read_push(call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
    """Check and read a push of one event. Raises `PushRejected`."""
    form = fields_of(call.body)
    xml = form.get("logistics_interface", "")
    if not xml:
        raise PushRejected("malformed", "logistics_interface")
    _check_digest(xml, form.get("data_digest", ""), keys)
    fields = _fields(xml)
    number = tidy_number(fields.get("mailNo", ""))
    if not re.fullmatch(r"[0-9A-Z]{8,20}", number, re.ASCII):
        raise PushRejected("malformed", "mailNo")
    event = _event(fields)
    route = Route(events=(event,), status=event.status, raw=_evidence(fields))
    return (PushedRoute(carrier="yto", tracking_number=number, route=route),)


def reply(accepted: bool, call: PushCall | None = None) -> PushReply:
    """YTO's own answer; it names the order that the push was about, where that can be read."""
    number = _order_of(call) if call else ""
    word = "true" if accepted else "false"
    text = (
        "<Response><logisticProviderID>YTO</logisticProviderID>"
        f"<txLogisticID>{escape(number[:64])}</txLogisticID><success>{word}</success></Response>"
    )
    return PushReply(200, "text/xml; charset=utf-8", text.encode())


def _order_of(call: PushCall) -> str:
    try:
        xml = fields_of(call.body).get("logistics_interface", "")
        return _fields(xml).get("txLogisticID", "")
    except PushRejected:
        return ""


def _check_digest(xml: str, given: str, keys: CarrierKeys) -> None:
    kind = keys.config.get("push_digest") or USUAL_DIGEST
    secret = keys.secrets.get("push_secret") or keys.secrets.get("secret", "")
    if kind not in DIGESTS or not secret:
        raise PushRejected("bad_signature", "the account has no digest")
    right = DIGESTS[kind](xml, secret)
    sent = given.lower() if kind == "hex" else given
    if not hmac.compare_digest(right.encode(), sent.encode()):
        raise PushRejected("bad_signature", "data_digest")


def _fields(xml: str) -> dict[str, str]:
    """The fields of an UpdateInfo. Raises `PushRejected`, also for any DTD: entities could read files or explode."""
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise PushRejected("malformed", "logistics_interface is no plain XML") from error
    if root.tag != "UpdateInfo":
        raise PushRejected("malformed", "UpdateInfo")
    fields = {child.tag: (child.text or "").strip() for child in root if len(child) == 0}
    if any("\0" in text for text in fields.values()):
        raise PushRejected("malformed", "contains NUL")
    return fields


def _event(fields: Mapping[str, str]) -> RouteEvent:
    at = read_beijing(_ZONE.sub("", fields.get("acceptTime", "")))
    if at is None:
        raise PushRejected("malformed", "acceptTime")
    code = fields.get("infoContent", "")
    place = (fields.get("city", ""), fields.get("district", "") or fields.get("orgName", ""))
    return RouteEvent(
        at=at,
        status=STATUS_BY_CONTENT.get(code, TrackingStatus.UNKNOWN),
        text=mask_phones(fields.get("remark", "") or code)[:500],
        location=" ".join(dict.fromkeys(filter(None, place)))[:100],
        provider_code=code[:20],
    )


def _evidence(fields: Mapping[str, str]) -> str:
    """What was pushed, without the courier."""
    kept = {name: value for name, value in fields.items() if not name.startswith(("emp", "orgPhone"))}
    return mask_phones(json.dumps(kept, ensure_ascii=False))[:MAX_EVIDENCE]
