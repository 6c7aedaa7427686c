"""Alipay's asynchronous notifications: a signed form to the trade's notify_url, until the body is `success`.

A refund is notified at the same address: in part as TRADE_SUCCESS, whole as TRADE_CLOSED, both with refund_fee
(the sum of all refunds so far), gmt_refund and out_biz_no. An unpaid closing is not notified for page pay.
"""

import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from sandbox.alipay.wire import seal, seller_of
from sandbox.formats import beijing, now, yuan
from sandbox.keys.signing import rsa2_sign, sorted_pairs, spoil
from sandbox.outgoing import Call, CallReply
from sandbox.trading import deliveries
from sandbox.trading.deliveries import Delivery, NewDelivery
from sandbox.trading.refunds import Refund
from sandbox.trading.trades import Trade
from sandbox.world import World

TARGET = "alipay.notify"
# Three tries at once after the first, then the long gaps.
GAPS = (0, 0, 0, 240, 600, 600, 3600, 7200, 21600, 54000)
BUYER_ID = "2088102146225135"


def announce_payment(world: World, trade: Trade) -> None:
    """Queue the notification of a payment."""
    _queue(world, trade, kind="payment", fields=_fields(world, trade, status="TRADE_SUCCESS"))


def announce_refund(world: World, trade: Trade, refund: Refund) -> None:
    """Queue the notification of a refund; `trade` is its state afterwards."""
    status = "TRADE_CLOSED" if refund.total_fen == trade.fen else "TRADE_SUCCESS"
    moment = f"{beijing(refund.at)}.{round(refund.at % 1 * 1000) % 1000:03d}"
    extra = {"refund_fee": yuan(refund.total_fen), "gmt_refund": moment, "out_biz_no": refund.reference}
    if status == "TRADE_CLOSED":
        extra["gmt_close"] = beijing(refund.at)
    _queue(world, trade, kind="refund", fields={**_fields(world, trade, status=status), **extra})


def announce_closing(world: World, trade: Trade) -> None:
    """Queue the notification of an unpaid closing; page pay never sends it, the control page can."""
    fields = _fields(world, trade, status="TRADE_CLOSED")
    _queue(world, trade, kind="closed", fields={**fields, "gmt_close": beijing(trade.closed_at or now())})


def announce_end(world: World, trade: Trade) -> None:
    """Queue the notification that the refund period is over: TRADE_FINISHED, in reality months after the payment."""
    _queue(world, trade, kind="finished", fields=_fields(world, trade, status="TRADE_FINISHED"))


def _fields(world: World, trade: Trade, *, status: str) -> dict[str, str]:
    """Build the fields that are the same in every try. The amounts are there only once money has moved."""
    fields = {
        "notify_type": "trade_status_sync",
        "app_id": trade.merchant,
        "auth_app_id": trade.merchant,
        "seller_id": seller_of(world, trade.merchant),
        "charset": trade.extra.get("charset", "utf-8"),
        "version": "1.0",
        "trade_no": trade.provider_reference,
        "out_trade_no": trade.reference,
        "trade_status": status,
        "total_amount": yuan(trade.fen),
        "subject": trade.subject,
        "buyer_id": BUYER_ID,
        "gmt_create": beijing(trade.opened_at or trade.created_at),
        **{name: trade.extra[name] for name in ("body", "passback_params") if name in trade.extra},
    }
    return {**fields, **_money(trade)} if trade.paid_at is not None else fields


def _money(trade: Trade) -> dict[str, str]:
    bill = [{"amount": yuan(trade.fen), "fundChannel": "ALIPAYACCOUNT"}]
    return {
        "gmt_payment": beijing(trade.paid_at or 0),
        "receipt_amount": yuan(trade.fen),
        "invoice_amount": yuan(trade.fen),
        "buyer_pay_amount": yuan(trade.fen),
        "point_amount": "0.00",
        "fund_bill_list": json.dumps(bill, separators=(",", ":")),
    }


def _queue(world: World, trade: Trade, *, kind: str, fields: Mapping[str, str]) -> None:
    if not trade.notify_url:
        return
    day = beijing(now())[:10].replace("-", "")
    notify_id = f"{day}00222{secrets.randbelow(10**21):021d}"
    deliveries.enqueue(world.store, NewDelivery(TARGET, trade.id, kind, notify_id, trade.notify_url, fields))


class AlipayForm:
    """Composes Alipay's notification and reads the merchant's response."""

    def __init__(self, world: World) -> None:
        self._world = world

    def compose(self, delivery: Delivery, active: Mapping[str, float]) -> Call:
        """Compose one try: notify_id is the same in all tries, notify_time and the signature are new."""
        fields = {**delivery.payload, "notify_id": delivery.event_id, "notify_time": beijing(now())}
        fields.update(_forged_fields(active))
        charset = fields["charset"]
        key, serial = seal(self._world, delivery.payload["app_id"])
        sign = rsa2_sign(key, sorted_pairs(fields, leave_out=frozenset()).encode(charset))
        if serial:
            # Not part of the signed text.
            fields["alipay_cert_sn"] = serial
        fields["sign_type"] = "RSA2"
        fields["sign"] = spoil(sign) if "corrupt_signature" in active else sign
        kind = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        return Call("POST", delivery.url, urlencode(fields, encoding=charset).encode(), kind)

    def accepted(self, answer: CallReply) -> bool:
        """Whether the body is exactly `success`; the status does not count."""
        return answer.status == 200 and answer.body == b"success"

    def gap(self, attempt: int, answer: CallReply) -> float | None:
        """Return the seconds until the next try; None after the last."""
        return GAPS[attempt - 1] if attempt <= len(GAPS) else None


def _forged_fields(active: Mapping[str, float]) -> dict[str, str]:
    """Return wrong fields, which are then signed properly."""
    lies = {}
    if "wrong_amount" in active:
        lies["total_amount"] = yuan(round(active["wrong_amount"] * 100))
    if "wrong_app_id" in active:
        lies["app_id"] = lies["auth_app_id"] = "2021000000009999"
    if "wrong_seller_id" in active:
        lies["seller_id"] = "2088000000009999"
    return lies


def return_query(world: World, trade: Trade) -> str:
    """Return the signed query string of the buyer's redirect to the shop. It proves no payment."""
    fields = {
        "charset": trade.extra.get("charset", "utf-8"),
        "out_trade_no": trade.reference,
        "method": "alipay.trade.page.pay.return",
        "total_amount": yuan(trade.fen),
        "trade_no": trade.provider_reference,
        "auth_app_id": trade.merchant,
        "version": "1.0",
        "app_id": trade.merchant,
        "seller_id": seller_of(world, trade.merchant),
        "timestamp": beijing(now()),
    }
    key, _serial = seal(world, trade.merchant)
    sign = rsa2_sign(key, sorted_pairs(fields, leave_out=frozenset()).encode(fields["charset"]))
    return urlencode({**fields, "sign_type": "RSA2", "sign": sign})
