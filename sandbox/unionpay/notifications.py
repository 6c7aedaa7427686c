"""UnionPay's notifications to `backUrl`: a signed form, until HTTP 200; only successes are notified."""

from collections.abc import Mapping
from urllib.parse import urlencode

from sandbox.outgoing import Call, CallReply
from sandbox.trading import deliveries
from sandbox.trading.deliveries import Delivery, NewDelivery
from sandbox.trading.refunds import Refund
from sandbox.trading.trades import Trade
from sandbox.unionpay.wire import settle_fields, sign, with_message
from sandbox.world import World

TARGET = "unionpay.notify"
GAPS = (60, 120, 240, 480, 900)
_COMMON = {"bizType": "000201", "accessType": "0", "currencyCode": "156", "accNo": "6216***********0018"}


def announce_payment(world: World, trade: Trade) -> None:
    """Queue the notification of a payment."""
    _queue(world, trade, kind="payment", url=trade.notify_url, fields=payment_fields(trade))


def announce_refund(world: World, trade: Trade, refund: Refund) -> None:
    """Queue the notification of a successful refund, which is a transaction with a queryId of its own."""
    url = refund.extra.get("back_url") or refund.extra.get("notify_url", "")
    _queue(world, trade, kind="refund", url=url, fields=refund_fields(trade, refund))


def payment_fields(trade: Trade) -> dict[str, str]:
    """A paid transaction of type 01."""
    return {
        **_COMMON,
        **with_message("00"),
        **settle_fields(trade.fen, trade.paid_at or 0, trade.provider_reference),
        "txnType": "01",
        "txnSubType": "01",
        "merId": trade.merchant,
        "orderId": trade.reference,
        "txnTime": trade.extra["txn_time"],
        "txnAmt": str(trade.fen),
        "queryId": trade.provider_reference,
        "reqReserved": trade.extra.get("req_reserved", ""),
    }


def refund_fields(trade: Trade, refund: Refund) -> dict[str, str]:
    """A transaction of type 04; `origQryId` names the payment."""
    return {
        **_COMMON,
        **with_message("00"),
        **settle_fields(refund.fen, refund.at, refund.provider_reference),
        "txnType": "04",
        "txnSubType": "00",
        "merId": trade.merchant,
        "orderId": refund.reference,
        "txnTime": refund.extra.get("txn_time", ""),
        "txnAmt": str(refund.fen),
        "queryId": refund.provider_reference,
        "origQryId": trade.provider_reference,
        "origOrderId": trade.reference,
        "origTxnTime": trade.extra["txn_time"],
    }


def _queue(world: World, trade: Trade, *, kind: str, url: str, fields: Mapping[str, str]) -> None:
    if not url:
        return
    filled = {name: value for name, value in fields.items() if value}
    deliveries.enqueue(world.store, NewDelivery(TARGET, trade.id, kind, fields["queryId"], url, filled))


class UnionpayForm:
    """Composes UnionPay's notification and reads the merchant's response."""

    def __init__(self, world: World) -> None:
        self._world = world

    def compose(self, delivery: Delivery, active: Mapping[str, float]) -> Call:
        """Compose one try: the same fields as in all tries, signed with today's certificate."""
        fields = {**delivery.payload, **_forged_fields(active)}
        body = urlencode(sign(self._world, fields, active=active)).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
        return Call("POST", delivery.url, body, kind)

    def accepted(self, answer: CallReply) -> bool:
        """HTTP 200 with any body."""
        return answer.status == 200

    def gap(self, attempt: int, answer: CallReply) -> float | None:
        """Seconds until the next try; None after the last."""
        return GAPS[attempt - 1] if attempt <= len(GAPS) else None


def _forged_fields(active: Mapping[str, float]) -> dict[str, str]:
    lies = {}
    if "wrong_amount" in active:
        lies["txnAmt"] = lies["settleAmt"] = str(round(active["wrong_amount"] * 100))
    if "wrong_mer_id" in active:
        lies["merId"] = "777290058119999"
    return lies
