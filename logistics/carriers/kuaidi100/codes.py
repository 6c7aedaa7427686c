"""Kuaidi100's codes as data.

Sources: api.kuaidi100.com/document/5f0ffb5ebc8da837cbd8aefc (states), /document/cha-xun-bao-cuo1 (error codes),
kuaidi100-api/java-demo contant/CompanyConstant.java (carriers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from logistics.carriers.types import TrackingStatus

COMPANIES: Mapping[str, str] = {
    "sf": "shunfeng",
    "zto": "zhongtong",
    "yto": "yuantong",
    "sto": "shentong",
    "yunda": "yunda",
    "jtexpress": "jtexpress",
    "jd": "jd",
    "ems": "ems",
    "deppon": "debangkuaidi",
}
_BY_STATUS: Mapping[TrackingStatus, str] = {
    TrackingStatus.PENDING: "101 102",
    TrackingStatus.PICKED_UP: "1 103",
    TrackingStatus.IN_TRANSIT: "0 7 8 10 11 12 1001 1002 1003",
    TrackingStatus.OUT_FOR_DELIVERY: "5",
    TrackingStatus.READY_FOR_PICKUP: "501",
    TrackingStatus.DELIVERED: "3 301 302 303 304",
    TrackingStatus.EXCEPTION: "2 13 14 201 202 203 204 205 206 207 208 209 210 401",
    TrackingStatus.RETURNING: "6",
    TrackingStatus.RETURNED: "4",
}
STATUS_BY_CODE: Mapping[str, TrackingStatus] = {
    code: status for status, codes in _BY_STATUS.items() for code in codes.split()
}
QUERY_ERRORS: Mapping[str, str] = {
    "400": "not_accepted",
    "408": "phone_needed",
    "500": "nothing_found",
    "501": "busy",
    "502": "busy",
    "503": "misconfigured",
    "504": "throttled",
    "601": "out_of_funds",
}
# Code 400 also means that the account is used up; only the message tells which.
FUNDS = re.compile("余额|充值|欠费|单量|次数")
COMPANIES_BY_COM: Mapping[str, str] = {
    **{com: ours for ours, com in COMPANIES.items()},
    "debangwuliu": "deppon",
    "youzhengguonei": "ems",
}
# Of the answer to a subscription (cloud.tencent.com/developer/article/1828132); 200 and 501 are successes.
SUBSCRIBED = frozenset(("200", "501"))
SUBSCRIBE_ERRORS: Mapping[str, str] = {
    "500": "busy",
    "600": "misconfigured",
    "601": "out_of_funds",
    "700": "not_accepted",
    "701": "not_accepted",
    "702": "not_accepted",
}
# Of carrier recognition (api.kuaidi100.com/document/5f1106542977d50a94e10241).
RECOGNISE_ERRORS: Mapping[str, str] = {"201": "not_accepted", "601": "out_of_funds", "701": "misconfigured"}
