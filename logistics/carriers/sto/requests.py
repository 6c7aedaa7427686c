"""What STO is asked: the content of each interface. Pure functions.

Source of the fields: the platform's documents OMS_EXPRESS_ORDER_CREATE, EDI_MODIFY_ORDER_CANCEL and STO_TRACE_QUERY_COMMON
(open.sto.cn), as the comments of zhengjy/cmhq, txze/wzkj-common and Admin.NET (STExpress) repeat them.
"""

from __future__ import annotations

import re
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

_NUMBER = re.compile(r"[0-9A-Z]{8,20}", re.ASCII)
_MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
_USUAL_BILL = "00"
_USUAL_ORDER = "01"
_SIZE = "小件"
# 10: not known; a shop does not tell us what has a battery.
_BATTERY_UNKNOWN = "10"


def routes_content(query: TrackingQuery) -> dict[str, Any]:
    """A query of one route, the oldest event first. Raises `CarrierError` if it cannot succeed."""
    number = tidy_number(query.tracking_number)
    if not _NUMBER.fullmatch(number):
        raise CarrierError("not_accepted", number)
    return {"order": "asc", "waybillNoList": [number]}


def create_content(request: WaybillRequest, keys: CarrierKeys) -> dict[str, Any]:
    """The order of one waybill from the stock of a branch's customer; `orderNo` is our reference."""
    goods = request.goods
    content: dict[str, Any] = {
        "orderNo": request.reference,
        "orderSource": keys.config.get("order_source", ""),
        "billType": _USUAL_BILL,
        "orderType": _USUAL_ORDER,
        "sender": _contact(request.sender),
        "receiver": _contact(request.receiver),
        "cargo": {
            "battery": _BATTERY_UNKNOWN,
            "goodsType": _SIZE,
            "goodsName": "、".join(one.name for one in goods)[:100],
            "goodsCount": sum(one.quantity for one in goods),
        },
        "customer": {
            "siteCode": keys.config.get("site_code", ""),
            "customerName": keys.config.get("customer_name", ""),
            "sitePwd": keys.secrets.get("site_password", ""),
        },
        "remark": request.remark[:100],
    }
    services = keys.config.get("service_types", "")
    if services:
        content["serviceTypeList"] = services.split()
    if request.insured_value is not None:
        yuan = _yuan(request.insured_value)
        content["insuredAnnex"] = {"insuredValue": yuan, "goodsValue": yuan}
    return content


def cancel_content(waybill: MadeWaybill, keys: CarrierKeys) -> dict[str, Any]:
    """The cancelling of an order by its waybill number, which the documents prefer to ours."""
    return {
        "billCode": tidy_number(waybill.tracking_number),
        "orderSource": keys.config.get("order_source", ""),
        "orderType": _USUAL_ORDER,
    }


def _contact(contact: Contact) -> dict[str, str]:
    phone = "mobile" if _MOBILE.fullmatch(contact.phone) else "tel"
    return {
        "name": contact.name,
        phone: contact.phone,
        "province": contact.province,
        "city": contact.city,
        "area": contact.district,
        "address": contact.street,
    }


def _yuan(amount: Decimal) -> str:
    return f"{amount:.2f}"
