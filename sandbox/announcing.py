"""Who is told what, whatever the provider: one table of the notifications that each of them knows."""

from collections.abc import Callable, Mapping

from sandbox import alipay_notices, unionpay_notices, webhook_notices, wechat_notices
from sandbox.refunds import Refund
from sandbox.trades import Trade
from sandbox.world import World

_PLAIN: Mapping[tuple[str, str], Callable[[World, Trade], None]] = {
    ("alipay", "payment"): alipay_notices.announce_payment,
    ("alipay", "closed"): alipay_notices.announce_closing,
    ("alipay", "finished"): alipay_notices.announce_end,
    ("wechatpay", "payment"): wechat_notices.announce_payment,
    ("unionpay", "payment"): unionpay_notices.announce_payment,
    ("webhook", "payment"): webhook_notices.announce_payment,
    ("webhook", "closed"): webhook_notices.announce_closing,
}
_REFUND: Mapping[str, Callable[[World, Trade, Refund], None]] = {
    "alipay": alipay_notices.announce_refund,
    "wechatpay": wechat_notices.announce_refund,
    "unionpay": unionpay_notices.announce_refund,
    "webhook": webhook_notices.announce_refund,
}
# A refund that failed or hangs is told by WeChat Pay alone; the others are to be asked.
_TELLS_FAILURES = frozenset({"wechatpay"})


def announce(world: World, trade: Trade, *, kind: str) -> bool:
    """Queue the notification of this kind; False where the provider has none such."""
    call = _PLAIN.get((trade.provider, kind))
    if call is None:
        return False
    call(world, trade)
    return True


def announce_refund(world: World, trade: Trade, refund: Refund) -> None:
    """Tell how a refund has ended, where its provider tells that; `trade` is as it stands after it."""
    if refund.state == "succeeded" or trade.provider in _TELLS_FAILURES:
        _REFUND[trade.provider](world, trade, refund)
