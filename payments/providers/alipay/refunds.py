"""What Alipay's answers about a refund mean.

Source: opendocs.alipay.com, alipay.trade.refund and alipay.trade.fastpay.refund.query (sub_code tables).
"""

from __future__ import annotations

from payments.providers.alipay.gateway import AlipayResponse, refused
from payments.providers.types import RefundOrder, RefundResult, RefundState
from payments.providers.values import read_amount, write_amount

# The trade is in a state that our own first order may have brought about, or the number was used before.
ASK_AFTER_REFUND = frozenset(
    (
        "ACQ.TRADE_HAS_CLOSE",
        "ACQ.TRADE_STATUS_ERROR",
        "ACQ.REASON_TRADE_STATUS_INVALID",
        "ACQ.DISCORDANT_REPEAT_REQUEST",
    )
)
NO_SUCH_REFUND = frozenset(("ACQ.TRADE_NOT_EXIST", "ACQ.REFUND_NOT_EXIST"))


def refund_done(answer: AlipayResponse, order: RefundOrder) -> RefundResult:
    """Code 10000 with fund_change Y: money moved by this very call."""
    return RefundResult(
        state=RefundState.SUCCEEDED,
        refund_reference=order.refund_reference,
        amount=order.amount,
        refunded_total=read_amount(answer.text("refund_fee")),
        raw=answer.raw,
    )


def refund_refused(answer: AlipayResponse, order: RefundOrder) -> RefundResult:
    """A business refusal (40004) is an end that a person reads; anything else is our own configuration."""
    if answer.fields.get("code") != "40004" or answer.sub_code.startswith("isv."):
        raise refused(answer)
    return RefundResult(
        state=RefundState.FAILED,
        refund_reference=order.refund_reference,
        amount=order.amount,
        detail=_words(answer),
        raw=answer.raw,
    )


def refund_found(answer: AlipayResponse, order: RefundOrder) -> RefundResult:
    """Without refund_status the refund has not come or has failed: the same number may be ordered again.

    A refund of another amount under our number is no answer to our order: a person has to look.
    """
    amount = read_amount(answer.text("refund_amount"))
    state = {
        "REFUND_SUCCESS": RefundState.SUCCEEDED,
        "REFUND_PROCESSING": RefundState.PROCESSING,
    }.get(answer.text("refund_status") if answer.ok else "", RefundState.NOT_DONE)
    detail = ""
    if state is RefundState.SUCCEEDED and amount not in (None, order.amount):
        state, detail = RefundState.ABNORMAL, f"refund_amount {write_amount(amount or order.amount)}"
    return RefundResult(
        state=state,
        refund_reference=order.refund_reference,
        amount=amount,
        detail=detail,
        raw=answer.raw,
    )


def _words(answer: AlipayResponse) -> str:
    return f"{answer.sub_code} {answer.text('sub_msg')}".strip()[:200]
