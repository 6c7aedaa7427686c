"""Alipay's gateway: page pay, query, close, refund and refund query, for one merchant.

A trade exists for the API only from the moment when the buyer has the cashier before him; until then query
and close answer ACQ.TRADE_NOT_EXIST, and the page can still be opened and paid until its time_expire.
"""

from collections.abc import Callable, Mapping

from sandbox import alipay_notices, trades
from sandbox.alipay_wire import (
    Command,
    GatewayError,
    read_command,
    read_params,
    write_answer,
    write_bare_error,
)
from sandbox.formats import beijing, fen, from_beijing, now, yuan
from sandbox.pages import message_page
from sandbox.trades import NewTrade, Refund, Trade, TradeRefused
from sandbox.trouble import troubled
from sandbox.web import Request, Response, html_response, redirect
from sandbox.world import World

TARGET = "alipay.gateway"
BUYER = {"buyer_logon_id": "138****8000", "buyer_user_id": "2088102146225135"}
Node = dict[str, object]


def handle_gateway(world: World, request: Request) -> Response:
    """`/alipay/gateway.do`. Page pay is shown the cashier, an API call is answered under faults."""
    try:
        params = read_params(request)
    except GatewayError as error:
        return write_bare_error(error)
    if params.get("method") == "alipay.trade.page.pay":
        return _show_cashier(world, params)
    return troubled(world, target=TARGET, work=lambda active: _answer(world, params, active))


def accept_page_pay(world: World, params: Mapping[str, str]) -> Trade:
    """Take on the trade that a signed page pay address describes. Raises GatewayError."""
    command = read_command(world, params)
    if command.text("product_code") != "FAST_INSTANT_TRADE_PAY":
        raise GatewayError("ACQ.INVALID_PARAMETER", "product_code 无效")
    if not command.text("subject") or not 1 <= len(command.text("out_trade_no")) <= 64:
        raise GatewayError("ACQ.INVALID_PARAMETER", "subject 或 out_trade_no 无效")
    new = NewTrade(
        provider="alipay",
        merchant=params["app_id"],
        reference=command.text("out_trade_no"),
        fen=_amount(command.biz.get("total_amount")),
        subject=command.text("subject"),
        expires_at=_expiry(command),
        notify_url=params.get("notify_url", ""),
        return_url=params.get("return_url", ""),
        extra=_kept(command),
    )
    try:
        return trades.open_trade(world.store, new)
    except TradeRefused as refused:
        raise GatewayError(*_PAGE_ERRORS[refused.code]) from None


_PAGE_ERRORS = {
    "already_expired": ("ACQ.TRADE_HAS_CLOSE", "订单已超过支付时间"),
    "closed": ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    "already_paid": ("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"),
    "amount_differs": ("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"),
}


def _show_cashier(world: World, params: Mapping[str, str]) -> Response:
    try:
        trade = accept_page_pay(world, params)
    except GatewayError as error:
        return html_response(
            message_page(title="支付宝无法受理", text=f"{error.sub_msg}({error.sub_code})"), status=400
        )
    return redirect(f"/alipay/cashier/{trade.token}")


def _kept(command: Command) -> dict[str, str]:
    """What comes back in notifications as it was sent."""
    kept = {name: command.text(name) for name in ("body", "passback_params") if command.text(name)}
    return {**kept, "charset": command.params.get("charset", "utf-8"), "app_id": command.params["app_id"]}


def _amount(value: object) -> int:
    try:
        amount = fen(str(value))
    except ValueError:
        amount = 0
    if amount < 1:
        raise GatewayError("ACQ.INVALID_PARAMETER", "金额无效")
    return amount


def _expiry(command: Command) -> float:
    """`time_expire` (China time), else `timeout_express` (1m to 15d), else 15 days. Unix seconds."""
    units = {"m": 60, "h": 3600, "d": 86400}
    absolute, relative = command.text("time_expire"), command.text("timeout_express")
    try:
        if absolute:
            return from_beijing(absolute)
        if relative:
            return now() + int(relative[:-1]) * units[relative[-1]]
    except (ValueError, KeyError):
        raise GatewayError("ACQ.INVALID_PARAMETER", "time_expire 或 timeout_express 无效") from None
    return now() + 15 * units["d"]


def _answer(world: World, params: Mapping[str, str], active: Mapping[str, float]) -> Response:
    try:
        command = read_command(world, params)
        node = {"code": "10000", "msg": "Success", **_METHODS[command.method](world, command)}
    except GatewayError as error:
        if not error.signed:
            return write_bare_error(error)
        node = error.node()
    if "wrong_amount" in active and "total_amount" in node:
        node["total_amount"] = yuan(round(active["wrong_amount"] * 100))
    return write_answer(world, params=params, node=node, active=active)


def _find(world: World, command: Command) -> Trade:
    """The trade asked for; trade_no wins. Raises GatewayError while no buyer has opened it."""
    number, reference = command.text("trade_no"), command.text("out_trade_no")
    if not number and not reference:
        raise GatewayError("ACQ.INVALID_PARAMETER", "out_trade_no 与 trade_no 不能同时为空")
    trade = (
        trades.find_provider_reference(world.store, number)
        if number
        else trades.find_trade(
            world.store, provider="alipay", merchant=command.params["app_id"], reference=reference
        )
    )
    if trade is None or trade.opened_at is None or trade.merchant != command.params["app_id"]:
        raise GatewayError("ACQ.TRADE_NOT_EXIST", "交易不存在")
    return trade


def _query(world: World, command: Command) -> Node:
    trade = _find(world, command)
    paid = trade.paid_at is not None
    sum_paid = yuan(trade.fen if paid else 0)
    node: Node = {
        **BUYER,
        "buyer_pay_amount": sum_paid,
        "invoice_amount": sum_paid,
        "out_trade_no": trade.reference,
        "point_amount": "0.00",
        "receipt_amount": sum_paid,
        "total_amount": yuan(trade.fen),
        "trade_no": trade.provider_reference,
        "trade_status": _status(trade),
    }
    if trade.paid_at is not None:
        node["send_pay_date"] = beijing(trade.paid_at)
        node["fund_bill_list"] = [{"amount": sum_paid, "fund_channel": "ALIPAYACCOUNT"}]
    return node


def _status(trade: Trade) -> str:
    if trade.state == "waiting":
        return "WAIT_BUYER_PAY" if trade.expires_at > now() else "TRADE_CLOSED"
    return "TRADE_SUCCESS" if trade.state == "paid" else "TRADE_CLOSED"


def _close(world: World, command: Command) -> Node:
    trade = _find(world, command)
    try:
        trades.close(world.store, trade)
    except TradeRefused as refused:
        if refused.code == "already_paid" and trade.state == "paid":
            raise GatewayError("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") from None
        raise GatewayError("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") from None
    return {"out_trade_no": trade.reference, "trade_no": trade.provider_reference}


def _refund(world: World, command: Command) -> Node:
    trade, amount = _find(world, command), _amount(command.biz.get("refund_amount"))
    number = command.text("out_request_no")
    if not number and amount != trade.fen:
        raise GatewayError("ACQ.INVALID_PARAMETER", "部分退款必须传入 out_request_no")
    number = number or trade.provider_reference
    with world.store.transaction():
        known = trades.find_refund(world.store, trade, reference=number)
        if known is not None and known.fen != amount:
            raise GatewayError("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
        done = known or make_refund(
            world, trade, reference=number, fen=amount, reason=command.text("refund_reason")
        )
    return {
        **BUYER,
        "fund_change": "N" if known else "Y",
        "gmt_refund_pay": beijing(done.at),
        "out_trade_no": trade.reference,
        "refund_fee": yuan(trades.get_trade(world.store, trade.id).refunded_fen),
        "send_back_fee": yuan(0 if known else done.fen),
        "trade_no": trade.provider_reference,
    }


def make_refund(world: World, trade: Trade, *, reference: str, fen: int, reason: str) -> Refund:
    """Give money back and tell the merchant in the same step. Raises GatewayError."""
    try:
        with world.store.transaction():
            done = trades.refund(world.store, trade, reference=reference, fen=fen, reason=reason)
            alipay_notices.announce_refund(world, trades.get_trade(world.store, trade.id), done)
    except TradeRefused as refused:
        raise GatewayError(*_REFUND_ERRORS[refused.code]) from None
    return done


_REFUND_ERRORS = {
    "not_paid": ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"),
    "fully_refunded": ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    "amount_too_large": ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限"),
}


def _refund_query(world: World, command: Command) -> Node:
    """Without data when no such refund was made: code 10000 says only that the question was understood."""
    trade = _find(world, command)
    known = trades.find_refund(world.store, trade, reference=command.text("out_request_no"))
    if known is None:
        return {}
    return {
        "out_request_no": known.reference,
        "out_trade_no": trade.reference,
        "refund_amount": yuan(known.fen),
        "refund_status": "REFUND_SUCCESS",
        "total_amount": yuan(trade.fen),
        "trade_no": trade.provider_reference,
        "gmt_refund_pay": beijing(known.at),
    }


_METHODS: Mapping[str, Callable[[World, Command], Node]] = {
    "alipay.trade.query": _query,
    "alipay.trade.close": _close,
    "alipay.trade.refund": _refund,
    "alipay.trade.fastpay.refund.query": _refund_query,
}
