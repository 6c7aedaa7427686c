"""Runs refunds: accepts them, ends them at once or later, and queues the notification in the same transaction."""

from collections.abc import Mapping
from dataclasses import replace

from sandbox.trading import refunds, trades
from sandbox.trading.announce_by_provider import announce_refund
from sandbox.trading.refunds import NewRefund, Refund
from sandbox.trading.trades import Trade, TradeRefused
from sandbox.world import World

# Seconds that a refund takes where nothing goes wrong: WeChat Pay and UnionPay never say "done" at once.
USUAL_SECONDS: Mapping[str, float] = {"alipay": 0, "webhook": 0, "wechatpay": 0.5, "unionpay": 0.5}


def order(world: World, trade: Trade, new: NewRefund, *, active: Mapping[str, float]) -> Refund:
    """Accept a refund, with the faults of its provider's `.refund` target applied. Raises TradeRefused."""
    planned = replace(new, seconds=active.get("processing", USUAL_SECONDS[trade.provider]))
    for outcome in ("abnormal", "closed"):
        if outcome in active:
            planned = replace(planned, outcome=outcome, seconds=active[outcome])
    with world.store.transaction():
        refund = refunds.begin(world.store, trade, planned)
        return end(world, refund) if planned.seconds == 0 else refund


def end(world: World, refund: Refund, *, state: str = "") -> Refund:
    """End a refund as planned, or in another state."""
    with world.store.transaction():
        ended = refunds.end(world.store, refund, state=state or refund.outcome)
        announce_refund(world, trades.get_trade(world.store, refund.trade_id), ended)
    return ended


def end_due(world: World) -> None:
    """End all refunds that are due; called in a loop."""
    for refund in refunds.due(world.store):
        end(world, refund)


def settle_by_hand(world: World, refund: Refund, *, state: str) -> Refund:
    """End a refund by hand, as in the provider's console. Raises TradeRefused: refund_has_ended."""
    if refund.state not in ("processing", "abnormal") or state not in refunds.ENDED:
        raise TradeRefused("refund_has_ended")
    return end(world, refund, state=state)
