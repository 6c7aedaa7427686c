"""Queues notifications by provider: one table of the kinds that each provider sends."""

from collections.abc import Callable, Mapping

from sandbox.alipay import notifications as alipay_notifications
from sandbox.trading.refunds import Refund
from sandbox.trading.trades import Trade
from sandbox.unionpay import notifications as unionpay_notifications
from sandbox.webhook import notifications as webhook_notifications
from sandbox.wechatpay import notifications as wechatpay_notifications
from sandbox.world import World

_PLAIN: Mapping[tuple[str, str], Callable[[World, Trade], None]] = {
    ("alipay", "payment"): alipay_notifications.announce_payment,
    ("alipay", "closed"): alipay_notifications.announce_closing,
    ("alipay", "finished"): alipay_notifications.announce_end,
    ("wechatpay", "payment"): wechatpay_notifications.announce_payment,
    ("unionpay", "payment"): unionpay_notifications.announce_payment,
    ("webhook", "payment"): webhook_notifications.announce_payment,
    ("webhook", "closed"): webhook_notifications.announce_closing,
}
_REFUND: Mapping[str, Callable[[World, Trade, Refund], None]] = {
    "alipay": alipay_notifications.announce_refund,
    "wechatpay": wechatpay_notifications.announce_refund,
    "unionpay": unionpay_notifications.announce_refund,
    "webhook": webhook_notifications.announce_refund,
}
# Only WeChat Pay notifies a refund that failed or is stuck; the others must be queried.
_NOTIFIES_FAILURES = frozenset({"wechatpay"})


def announce(world: World, trade: Trade, *, kind: str) -> bool:
    """Queue the notification of this kind; False where the provider has none such."""
    call = _PLAIN.get((trade.provider, kind))
    if call is None:
        return False
    call(world, trade)
    return True


def announce_refund(world: World, trade: Trade, refund: Refund) -> None:
    """Queue the notification of a refund's end, where its provider sends one; `trade` is its state afterwards."""
    if refund.state == "succeeded" or trade.provider in _NOTIFIES_FAILURES:
        _REFUND[trade.provider](world, trade, refund)
