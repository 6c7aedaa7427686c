"""Interprets Alipay's responses about refunds.

Source: opendocs.alipay.com, alipay.trade.refund and alipay.trade.fastpay.refund.query (sub_code tables).
"""

from __future__ import annotations

from payments.providers.alipay.gateway import AlipayResponse, refusal_error
from payments.providers.types import RefundInstruction, RefundResult, RefundState
from payments.providers.values import read_amount, write_amount

# The trade is in a state that our own first request may have caused, or the number was used before: query the refund.
QUERY_AFTER_REFUND = frozenset(
    (
        "ACQ.TRADE_HAS_CLOSE",
        "ACQ.TRADE_STATUS_ERROR",
        "ACQ.REASON_TRADE_STATUS_INVALID",
        "ACQ.DISCORDANT_REPEAT_REQUEST",
    )
)
NO_SUCH_REFUND = frozenset(("ACQ.TRADE_NOT_EXIST", "ACQ.REFUND_NOT_EXIST"))


def done_refund_result(response: AlipayResponse, refund: RefundInstruction) -> RefundResult:
    """The result of code 10000 with fund_change Y: this very call moved the money."""
    return RefundResult(
        state=RefundState.SUCCEEDED,
        refund_reference=refund.refund_reference,
        amount=refund.amount,
        refunded_total=read_amount(response.text("refund_fee")),
        raw=response.raw,
    )


def refused_refund_result(response: AlipayResponse, refund: RefundInstruction) -> RefundResult:
    """The FAILED result of a business refusal (40004). Raises `OutsideError` for any other refusal."""
    if response.fields.get("code") != "40004" or response.sub_code.startswith("isv."):
        raise refusal_error(response)
    return RefundResult(
        state=RefundState.FAILED,
        refund_reference=refund.refund_reference,
        amount=refund.amount,
        detail=_refusal_text(response),
        raw=response.raw,
    )


def found_refund_result(response: AlipayResponse, refund: RefundInstruction) -> RefundResult:
    """The result of a refund query.

    Without refund_status the refund was never carried out or has failed: the same number may be requested again. A
    refund of another amount under our number is ABNORMAL, for a person to look at.
    """
    amount = read_amount(response.text("refund_amount"))
    state = {
        "REFUND_SUCCESS": RefundState.SUCCEEDED,
        "REFUND_PROCESSING": RefundState.PROCESSING,
    }.get(response.text("refund_status") if response.ok else "", RefundState.NOT_DONE)
    detail = ""
    if state is RefundState.SUCCEEDED and amount not in (None, refund.amount):
        state, detail = RefundState.ABNORMAL, f"refund_amount {write_amount(amount or refund.amount)}"
    return RefundResult(
        state=state,
        refund_reference=refund.refund_reference,
        amount=amount,
        detail=detail,
        raw=response.raw,
    )


def _refusal_text(response: AlipayResponse) -> str:
    return f"{response.sub_code} {response.text('sub_msg')}".strip()[:200]
