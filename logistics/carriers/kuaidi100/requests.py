"""What is sent to Kuaidi100: pure functions from dataclasses to the text that is signed, and to forms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from logistics.carriers.kuaidi100.codes import COMPANIES
from logistics.carriers.kuaidi100.signatures import sign_label, sign_query
from logistics.carriers.numbers import recognise, tidy_number
from logistics.carriers.types import (
    CarrierError,
    CarrierKeys,
    Contact,
    MadeWaybill,
    TrackingQuery,
    WaybillRequest,
)

# Cities and sub-states of each event.
DETAILED = "4"
WITH_ARRIVAL = "8"
_NUMBER = re.compile(r"[0-9A-Z-]{6,32}", re.ASCII)
_PHONE_REQUIRED = ("shunfeng", "zhongtong")
# The label account with the carrier, under the names of the label API.
LABEL_CONFIG = ("partnerId", "partnerName", "net", "code", "checkMan")
LABEL_SECRETS = ("partnerKey", "partnerSecret")
MOST_CARGO, MOST_REMARK = 100, 100


def query_form(query: TrackingQuery, keys: CarrierKeys) -> str:
    """The signed form of a query. Raises `CarrierError` if it cannot succeed."""
    param, customer = _query_param(query), keys.config.get("customer", "")
    sign = sign_query(param, key=keys.secrets.get("key", ""), customer=customer)
    return urlencode({"customer": customer, "sign": sign, "param": param})


def _query_param(query: TrackingQuery) -> str:
    number, company = _parcel(query)
    if not company:
        raise CarrierError("not_accepted", f"{query.carrier} {number}")
    return _json(
        {
            "com": company,
            "num": number,
            "phone": query.phone_last4,
            "from": query.origin,
            "to": query.destination,
            "resultv2": _detail(query),
            "show": "0",
            "order": "desc",
        }
    )


def _detail(query: TrackingQuery) -> str:
    """The form of the answer: with the expected arrival where the destination is known, which that form asks for."""
    return WITH_ARRIVAL if query.destination else DETAILED


def _parcel(query: TrackingQuery) -> tuple[str, str]:
    """Number and carrier as the vendor takes them; the carrier is empty where it is not known.

    Raises `CarrierError` where the vendor would refuse them.
    """
    number = tidy_number(query.tracking_number)
    company = COMPANIES.get(query.carrier) or COMPANIES.get(recognise(number) or "") or ""
    if not _NUMBER.fullmatch(number):
        raise CarrierError("not_accepted", f"{query.carrier} {number}")
    if company in _PHONE_REQUIRED and not query.phone_last4:
        raise CarrierError("phone_needed")
    return number, company


def subscribe_form(query: TrackingQuery, keys: CarrierKeys, *, push_url: str) -> str:
    """The form of a subscription; it holds the key instead of a signature. Raises `CarrierError` if it cannot succeed.

    The vendor recognises the carrier itself (`autoCom`) only where none is given.
    """
    number, company = _parcel(query)
    parameters = {
        "callbackurl": push_url,
        "salt": keys.secrets.get("salt", ""),
        "resultv2": _detail(query),
        "autoCom": "0" if company else "1",
        "phone": query.phone_last4,
    }
    content = {
        "company": company,
        "number": number,
        "from": query.origin,
        "to": query.destination,
        "key": keys.secrets.get("key", ""),
        "parameters": {name: value for name, value in parameters.items() if value},
    }
    return urlencode({"schema": "json", "param": _json(content)})


def recognise_query(number: str, keys: CarrierKeys) -> str:
    """What follows the question mark when a number's carrier is asked for."""
    return urlencode({"num": tidy_number(number), "key": keys.secrets.get("key", "")})


def order_form(request: WaybillRequest, keys: CarrierKeys, *, t: str) -> str:
    """The signed form that orders a waybill. Raises `CarrierError` for a carrier that the vendor does not know.

    `reorder` is false always: the same `orderId` then gives the first successful waybill for 48 hours
    (java-demo request/labelV2/OrderReq.java).
    """
    template = keys.config.get("tempId", "")
    insured = request.insured_value
    return _label_form(
        "order",
        {
            **_label_account(keys),
            "kuaidicom": _company(request.carrier),
            "expType": keys.config.get("expType", ""),
            "recMan": _person(request.receiver),
            "sendMan": _person(request.sender),
            "cargo": "、".join(goods.name for goods in request.goods)[:MOST_CARGO],
            "count": 1,
            "remark": request.remark[:MOST_REMARK],
            "payType": keys.config.get("payType") or "MONTHLY",
            "valinsPay": "" if insured is None else f"{insured:.2f}",
            # Without a template of the account's the vendor makes the number only; the label is then our own.
            "printType": "IMAGE" if template else "NON",
            "tempId": template,
            "orderId": request.reference,
            "reorder": False,
        },
        keys,
        t=t,
    )


def cancel_form(waybill: MadeWaybill, keys: CarrierKeys, *, t: str) -> str:
    """The signed form that cancels a waybill. Raises `CarrierError` for a carrier that the vendor does not know."""
    content = {
        **_label_account(keys),
        "kuaidicom": _company(waybill.carrier),
        "kuaidinum": waybill.tracking_number,
        "orderId": waybill.reference,
        "reason": "订单取消",
    }
    return _label_form("cancel", content, keys, t=t)


def _label_form(method: str, content: Mapping[str, Any], keys: CarrierKeys, *, t: str) -> str:
    param, key = _json(content), keys.secrets.get("key", "")
    sign = sign_label(param, t=t, key=key, secret=keys.secrets.get("secret", ""))
    return urlencode({"method": method, "key": key, "t": t, "sign": sign, "param": param})


def _label_account(keys: CarrierKeys) -> dict[str, str]:
    config = {name: keys.config.get(name, "") for name in LABEL_CONFIG}
    return {**config, **{name: keys.secrets.get(name, "") for name in LABEL_SECRETS}}


def _company(carrier: str) -> str:
    company = COMPANIES.get(carrier)
    if company is None:
        raise CarrierError("not_accepted", carrier)
    return company


def _person(contact: Contact) -> dict[str, str]:
    person = {
        "name": contact.name,
        "mobile": contact.phone,
        "company": contact.company,
        "province": contact.province,
        "city": contact.city,
        "district": contact.district,
        "addr": contact.street,
    }
    return {name: value for name, value in person.items() if value}


def _json(content: Mapping[str, Any]) -> str:
    """Compact JSON without empty members; `False` and numbers stay."""
    filled = {name: value for name, value in content.items() if value != ""}
    return json.dumps(filled, ensure_ascii=False, separators=(",", ":"))
