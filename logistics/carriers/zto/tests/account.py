"""An account and an order of a waybill for the tests of ZTO's connector."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from logistics.carriers.tests.carrier_cases import CUPS, RECEIVER, SENDER
from logistics.carriers.types import CarrierKeys, WaybillRequest

REFERENCE = "P202611290001"
NUMBER = "73100196611386"


def zto_keys(gateway_url: str = "https://japi.zto.com", **config: str) -> CarrierKeys:
    return CarrierKeys(
        "zto",
        "demo-zto",
        {"app_key": "APPKEY", "gateway_url": gateway_url, "account_id": "ACCOUNT", **config},
        {"app_secret": "SECRET", "account_password": "PASSWORD"},
        "1",
    )


def zto_request(*, insured: str | None = "199.90", phone: str = "13800138000") -> WaybillRequest:
    return WaybillRequest(
        reference=REFERENCE,
        carrier="zto",
        sender=SENDER,
        receiver=replace(RECEIVER, phone=phone, province="河南省", city="郑州市", district="中原区"),
        goods=CUPS,
        insured_value=Decimal(insured) if insured else None,
        remark="轻放 *~",
    )  # fmt: skip
