"""An account, an order of a waybill and the raw samples for the tests of STO's connector."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from logistics.carriers.tests.carrier_cases import CUPS, RECEIVER, SENDER
from logistics.carriers.types import (
    CarrierKeys,
    MadeWaybill,
    TrackingQuery,
    WaybillRequest,
)
from ordersite.lib.http import Reply

PAYLOADS = Path(__file__).parent / "payloads"
REFERENCE = "T202611290001"
NUMBER = "777031922725111"
MADE = MadeWaybill(reference=REFERENCE, carrier="sto", tracking_number=NUMBER)
QUERY = TrackingQuery(carrier="sto", tracking_number=NUMBER)
CONFIG = {
    "app_key": "APPKEY", "order_source": "SHOP", "site_code": "666666", "customer_name": "666666000001",
}  # fmt: skip


def reply(name: str) -> Reply:
    return Reply(200, {}, (PAYLOADS / name).read_bytes(), 1)


def sto_keys(
    gateway_url: str = "https://cloudinter-linkgateway.sto.cn/gateway/link.do", **more: str
) -> CarrierKeys:
    secrets = {"secret_key": "SECRET", "site_password": "abc123"}
    return CarrierKeys("sto", "demo-sto", {**CONFIG, "gateway_url": gateway_url, **more}, secrets, "1")


def sto_request(*, insured: str | None = "199.9") -> WaybillRequest:
    return WaybillRequest(
        reference=REFERENCE,
        carrier="sto",
        sender=SENDER,
        receiver=RECEIVER,
        goods=CUPS,
        insured_value=Decimal(insured) if insured else None,
        remark="轻放 *~",
    )  # fmt: skip
