"""What SF is asked: the content of each service's msgData. Pure functions.

Source of the fields: yayiyo/sf-express-sdk common_types.go, fuzui/aggregatelogistics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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

CREATE = "EXP_RECE_CREATE_ORDER"
FIND = "EXP_RECE_SEARCH_ORDER_RESP"
UPDATE = "EXP_RECE_UPDATE_ORDER"
ROUTES = "EXP_RECE_SEARCH_ROUTES"
NUMBERS_A_CALL = 10

_NUMBER = re.compile(r"(?:SF)?[0-9]{12,15}", re.ASCII)
_MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
_LANGUAGE = "zh-CN"
_SENDER, _RECEIVER = 1, 2
_SENDER_PAYS = 1
_CANCEL = 2
_MOTHER = 1
# 2 is the standard product in a production comparison; what a shop may use is in its contract.
DEFAULT_PRODUCT = "2"
DEFAULT_INSURANCE = "INSURE"


def query_problem(query: TrackingQuery) -> CarrierError | None:
    """Why this parcel cannot be queried; None where it can."""
    number = tidy_number(query.tracking_number)
    if not _NUMBER.fullmatch(number):
        return CarrierError("not_accepted", number)
    return None if query.phone_last4 else CarrierError("phone_needed")


def routes_content(queries: Sequence[TrackingQuery]) -> dict[str, Any]:
    """A query of up to NUMBERS_A_CALL routes by waybill number. SF checks the phone of each among those given."""
    return {
        "language": "0",
        "trackingType": "1",
        "trackingNumber": [tidy_number(one.tracking_number) for one in queries],
        "methodType": "1",
        "checkPhoneNo": ",".join(dict.fromkeys(one.phone_last4 for one in queries)),
    }


def create_content(request: WaybillRequest, keys: CarrierKeys) -> dict[str, Any]:
    """The order of one waybill, paid by the sender's monthly account; `orderId` is our reference."""
    content = {
        "language": _LANGUAGE,
        "orderId": request.reference,
        "cargoDetails": [{"name": one.name[:60], "count": one.quantity} for one in request.goods],
        "contactInfoList": [_contact(_SENDER, request.sender), _contact(_RECEIVER, request.receiver)],
        "monthlyCard": keys.config.get("monthly_card", ""),
        "payMethod": _SENDER_PAYS,
        "expressTypeId": int(keys.config.get("express_type_id") or DEFAULT_PRODUCT),
        "parcelQty": 1,
        "isReturnRoutelabel": 1,
        "remark": request.remark[:100],
    }
    if request.insured_value is not None:
        name = keys.config.get("insurance_service") or DEFAULT_INSURANCE
        content["serviceList"] = [{"name": name, "value": _yuan(request.insured_value)}]
    return content


def find_content(request: WaybillRequest) -> dict[str, Any]:
    """A query of what was ordered under our reference; 1 are parcels that go out."""
    return {"language": _LANGUAGE, "orderId": request.reference, "searchType": "1"}


def cancel_content(waybill: MadeWaybill) -> dict[str, Any]:
    """The cancelling of an order; with the number, so that SF refuses where it does not belong to the order."""
    number = {"waybillType": _MOTHER, "waybillNo": tidy_number(waybill.tracking_number)}
    return {
        "language": _LANGUAGE,
        "orderId": waybill.reference,
        "dealType": _CANCEL,
        "waybillNoInfoList": [number],
    }


def _contact(kind: int, contact: Contact) -> dict[str, Any]:
    phone = "mobile" if _MOBILE.fullmatch(contact.phone) else "tel"
    fields = {
        "contactType": kind,
        "company": contact.company,
        "contact": contact.name,
        phone: contact.phone,
        "country": "CN",
        "province": contact.province,
        "city": contact.city,
        "county": contact.district,
        "address": contact.street,
    }
    return {name: value for name, value in fields.items() if value}


def _yuan(amount: Decimal) -> str:
    return f"{amount:.2f}"
