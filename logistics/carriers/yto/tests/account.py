"""An account and an order of a waybill for the tests of YTO's connector."""

from __future__ import annotations

from decimal import Decimal

from logistics.carriers.tests.carrier_cases import CUPS, RECEIVER, SENDER
from logistics.carriers.types import CarrierKeys, WaybillRequest

REFERENCE = "P202611290001"
NUMBER = "YT2000000000001"


def yto_keys(gateway_url: str = "https://openapi.yto.net.cn", **more: str) -> CarrierKeys:
    secrets = {name: value for name, value in more.items() if name.endswith("_secret")}
    config = {name: value for name, value in more.items() if name not in secrets}
    return CarrierKeys(
        "yto",
        "demo-yto",
        {"customer_code": "K21000119", "gateway_url": gateway_url, **config},
        {"secret": "SECRET", **secrets},
        "1",
    )


def yto_request(*, insured: str | None = "500.00") -> WaybillRequest:
    return WaybillRequest(
        reference=REFERENCE,
        carrier="yto",
        sender=SENDER,
        receiver=RECEIVER,
        goods=CUPS[:1],
        insured_value=Decimal(insured) if insured else None,
        remark="轻放 *~",
    )  # fmt: skip
