"""The webhook provider's gateway: four signed JSON calls of the merchant.

All calls carry `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks
1.0.0) with one shared secret; answers are signed in the same way.
"""

from collections.abc import Callable, Mapping

from sandbox import faults
from sandbox.formats import fen, from_iso, iso, now, yuan
from sandbox.keys.signing import webhook_verify
from sandbox.trading import refunding, refunds, trades
from sandbox.trading.refunds import NewRefund, Refund
from sandbox.trading.trades import NewTrade, Trade, TradeRefused
from sandbox.trouble import troubled
from sandbox.web import HangUp, Request, Response, json_response, read_json
from sandbox.webhook.notifications import announce_closing, new_message_id, signed_headers
from sandbox.world import World

TARGET = "webhook.gateway"
MERCHANT = "demo"
Body = Mapping[str, object]


class CallRefused(Exception):
    """An error response: HTTP status and a code."""

    def __init__(self, code: str, *, status: int = 409) -> None:
        super().__init__(code)
        self.code, self.status = code, status


def handle_call(world: World, request: Request) -> Response:
    """`POST /webhook/{pay,query,close,refund}`."""
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    try:
        answer, status = _CALLS[request.path](world, request, _checked(world, request)), 200
    except CallRefused as refused:
        answer, status = {"code": refused.code, "message": refused.code.replace("_", " ")}, refused.status
    if "wrong_amount" in active and "amount" in answer:
        answer["amount"] = yuan(round(active["wrong_amount"] * 100))
    response = json_response(answer, status=status)
    signed = signed_headers(world, message_id=new_message_id(), body=response.body, active=active)
    return Response(status, response.body, response.content_type, signed)


def _checked(world: World, request: Request) -> Body:
    if request.method != "POST":
        raise CallRefused("method_not_allowed", status=405)
    if not webhook_verify(world.keys.webhook, headers=request.headers, body=request.body, now=now()):
        raise CallRefused("bad_signature", status=401)
    try:
        return read_json(request.body)
    except ValueError:
        raise CallRefused("malformed", status=400) from None


def _pay(world: World, request: Request, body: Body) -> dict[str, object]:
    reference = _text(body, "reference")
    new = NewTrade(
        provider="webhook",
        merchant=MERCHANT,
        reference=reference,
        fen=_amount(body),
        subject=_text(body, "subject"),
        expires_at=_time(body, "expires_at"),
        notify_url=_text(body, "notify_url"),
        return_url=str(body.get("return_url") or ""),
        extra={},
    )
    if body.get("currency") != "CNY":
        raise CallRefused("currency_not_supported", status=422)
    try:
        trade = trades.open_trade(world.store, new)
    except TradeRefused as refused:
        raise CallRefused(refused.code) from None
    host = request.headers.get("host", f"{world.settings.host}:{world.settings.port}")
    return {"pay_url": f"http://{host}/webhook/cashier/{trade.token}"}


def _query(world: World, request: Request, body: Body) -> dict[str, object]:
    trade = _find(world, body)
    return _not_found(body) if trade is None else _described(trade)


def _close(world: World, request: Request, body: Body) -> dict[str, object]:
    """Close a trade and answer with its state afterwards: succeeded when the buyer was faster."""
    trade = _find(world, body)
    if trade is None:
        return _not_found(body)
    try:
        with world.store.transaction():
            announce_closing(world, trades.close(world.store, trade))
    except TradeRefused as refused:
        if refused.code not in ("already_paid", "closed"):
            raise CallRefused(refused.code) from None
    return _described(trades.get_trade(world.store, trade.id))


def _refund(world: World, request: Request, body: Body) -> dict[str, object]:
    trade, reference, amount = _find(world, body), _text(body, "refund_reference"), _amount(body)
    if trade is None:
        raise CallRefused("not_found", status=404)
    active = faults.take(world.store, target="webhook.refund", names=faults.ALLOWED["webhook.refund"])
    with world.store.transaction():
        known = refunds.find(world.store, trade, reference=reference)
        if known is not None and known.fen != amount:
            raise CallRefused("repeated_with_other_amount")
        new = NewRefund(reference, amount, reason=str(body.get("reason") or ""))
        done = known or make_refund(world, trade, new, active=active)
    if "lost_answer" in active:
        raise HangUp
    return {"status": "succeeded", "refund_reference": done.reference, "amount": yuan(done.fen)}


def make_refund(world: World, trade: Trade, new: NewRefund, *, active: Mapping[str, float]) -> Refund:
    """Refund money and queue the notification in one transaction. Raises CallRefused."""
    if "closed" in active:
        raise CallRefused("refund_refused", status=422)
    try:
        return refunding.order(world, trade, new, active=active)
    except TradeRefused as refused:
        raise CallRefused(refused.code) from None


_CALLS: Mapping[str, Callable[[World, Request, Body], dict[str, object]]] = {
    "/webhook/pay": _pay,
    "/webhook/query": _query,
    "/webhook/close": _close,
    "/webhook/refund": _refund,
}
PATHS = frozenset(_CALLS)


def _find(world: World, body: Body) -> Trade | None:
    return trades.find_trade(
        world.store, provider="webhook", merchant=MERCHANT, reference=_text(body, "reference")
    )


def _described(trade: Trade) -> dict[str, object]:
    overdue = trade.state == "waiting" and trade.expires_at <= now()
    labels = {
        "waiting": "closed" if overdue else "pending",
        "paid": "succeeded",
        "reversed": "closed",
    }
    return {
        "reference": trade.reference,
        "status": labels.get(trade.state, trade.state),
        "provider_reference": trade.provider_reference,
        "amount": yuan(trade.fen),
        "currency": trade.currency,
        "paid_at": None if trade.paid_at is None else iso(trade.paid_at),
        "refunded_amount": yuan(trade.refunded_fen),
    }


def _not_found(body: Body) -> dict[str, object]:
    return {"reference": body.get("reference"), "status": "not_found"}


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise CallRefused(f"missing_{name}", status=400)
    return value


def _amount(body: Body) -> int:
    try:
        amount = fen(body.get("amount"))
    except ValueError:
        amount = 0
    if amount < 1:
        raise CallRefused("bad_amount", status=400)
    return amount


def _time(body: Body, name: str) -> float:
    try:
        return from_iso(_text(body, name))
    except ValueError:
        raise CallRefused(f"bad_{name}", status=400) from None
