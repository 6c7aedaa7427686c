"""An account, an order of a waybill and the raw samples for the tests of SF's connector."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from logistics.carriers.tests.carrier_cases import CUPS, RECEIVER, SENDER
from logistics.carriers.types import CarrierKeys, TrackingQuery, WaybillRequest
from ordersite.lib.http import Reply

PAYLOADS = Path(__file__).parent / "payloads"
REFERENCE = "S202611290001"
NUMBER = "SF7444400043064"
NO_ROUTE = "SF7444400043072"
ODD_CODE = "SF7444400043081"


def sample(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def reply(name: str) -> Reply:
    return Reply(200, {}, sample(name), 1)


def query_of(number: str = NUMBER, phone: str = "8000") -> TrackingQuery:
    return TrackingQuery(carrier="sf", tracking_number=number, phone_last4=phone)


def sf_keys(gateway_url: str = "https://bspgw.sf-express.com/std/service", **config: str) -> CarrierKeys:
    return CarrierKeys(
        "sf",
        "demo-sf",
        {"partner_id": "PARTNER", "gateway_url": gateway_url, "monthly_card": "7551234567", **config},
        {"checkword": "CW"},
        "1",
    )


def sf_request(*, insured: str | None = "199.9", phone: str = "13800138000") -> WaybillRequest:
    return WaybillRequest(
        reference=REFERENCE,
        carrier="sf",
        sender=replace(SENDER, company="示例商店"),
        receiver=replace(
            RECEIVER, phone=phone, province="广东省", city="深圳市", district="南山区", street="科技园1号",
        ),
        goods=CUPS,
        insured_value=Decimal(insured) if insured else None,
        remark="轻放 *~",
    )  # fmt: skip
