"""Combined payments (合单) in WeChat Pay's notification: one signed message about several orders."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from payments.providers.types import ParsedNotification, UpdateKind
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.messages import APPID, MCHID, account, call, encrypted, envelope


def verify(body: bytes) -> ParsedNotification:
    return WechatPay().verify(call(body), account())


def sub_order(number: str, fen: int, **changes: Any) -> dict[str, Any]:
    """An order of a combined payment, as WeChat Pay reports it."""
    return {
        "mchid": MCHID, "trade_type": "NATIVE", "trade_state": "SUCCESS", "transaction_id": f"42{number}",
        "success_time": "2026-11-22T14:02:09+08:00", "out_trade_no": number,
        "amount": {"total_amount": fen, "payer_amount": fen, "currency": "CNY"}, **changes,
    }  # fmt: skip


def combined(*sub_orders: dict[str, Any], **changes: Any) -> bytes:
    content = {
        "combine_appid": APPID, "combine_mchid": MCHID, "combine_out_trade_no": "C20261122000001",
        "sub_orders": list(sub_orders), **changes,
    }  # fmt: skip
    text = json.dumps(content).encode()
    return envelope({"original_type": "transaction", **encrypted(text)})


def test_combined_payment_of_one_order_pays() -> None:
    parsed = verify(combined(sub_order("7F3K2026112200420001", 26640)))
    assert (parsed.kind, parsed.reference, parsed.amount) == (
        UpdateKind.PAYMENT, "7F3K2026112200420001", Decimal("266.40"),
    )  # fmt: skip
    assert (parsed.provider_reference, parsed.account_problem) == ("427F3K2026112200420001", "")


def test_combined_payment_of_two_orders_is_unclear() -> None:
    parsed = verify(combined(sub_order("A20261122000001", 26640), sub_order("B20261122000001", 100)))
    assert (parsed.kind, parsed.reference, parsed.amount) == (
        UpdateKind.UNCLEAR, "C20261122000001", Decimal("267.40"),
    )  # fmt: skip
    assert parsed.account_problem == ""


@pytest.mark.parametrize(
    ("body", "kind", "problem"),
    [
        (combined(sub_order("A" * 16, 1, mchid="1900000109")), UpdateKind.PAYMENT, "wrong_mchid"),
        (combined(sub_order("A" * 16, 1, trade_state="NOTPAY")), UpdateKind.UNCLEAR, ""),
        (combined(sub_order("A" * 16, 1, amount=None)), UpdateKind.PAYMENT, ""),
        (combined(sub_orders=["x", 5]), UpdateKind.UNCLEAR, ""),
        (combined(sub_orders=5), UpdateKind.UNCLEAR, ""),
    ],
)
def test_odd_combined_payment(body: bytes, kind: UpdateKind, problem: str) -> None:
    parsed = verify(body)
    assert (parsed.kind, parsed.account_problem) == (kind, problem)
