"""Alipay's gateway: page pay, query, close, refund, refund query, bills and certificates, for one merchant.

A trade exists for the API once the buyer has opened the cashier. Before that query and close answer
ACQ.TRADE_NOT_EXIST, and the page can still be opened and paid until its time_expire.
"""

import base64
import io
import json
from collections.abc import Callable, Mapping

from sandbox import faults
from sandbox.alipay.wire import (
    Command,
    GatewayError,
    read_command,
    read_params,
    seller_of,
    write_answer,
    write_bare_error,
)
from sandbox.formats import beijing, fen, from_beijing, now, yuan
from sandbox.pages import message_page
from sandbox.trading import bill_files, bills, refunding, refunds, tickets, trades
from sandbox.trading.refunds import NewRefund, Refund
from sandbox.trading.trades import NewTrade, Trade, TradeRefused
from sandbox.trouble import troubled
from sandbox.web import HangUp, Request, Response, html_response, read_form, redirect
from sandbox.world import World

TARGET = "alipay.gateway"
BILL_SECONDS = 30
BUYER = {"buyer_logon_id": "138****8000", "buyer_user_id": "2088102146225135"}
Node = dict[str, object]


def handle_gateway(world: World, request: Request) -> Response:
    """Handle `/alipay/gateway.do`: page pay redirects to the cashier, API calls are answered. Applies active faults."""
    try:
        params = read_params(request)
    except GatewayError as error:
        return write_bare_error(error)
    if params.get("method") == "alipay.trade.page.pay":
        return _show_cashier(world, params)
    return troubled(world, target=TARGET, work=lambda active: _answer(world, params, active))


def accept_page_pay(world: World, params: Mapping[str, str]) -> Trade:
    """Open the trade of a signed page pay address. Raises GatewayError."""
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
    """Return the fields of the request that notifications repeat unchanged."""
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
    """Read the expiry: `time_expire` (China time), else `timeout_express` (1m to 15d), else 15 days. Unix seconds."""
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
    if "unreadable" in active:
        return Response(200, b"\xff\xfe\x00 of no character set", "text/html;charset=utf-8")
    return write_answer(world, params=params, node=node, active=active)


def _find(world: World, command: Command) -> Trade:
    """Find the trade by trade_no, else out_trade_no. Raises GatewayError until a buyer has opened it."""
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
    paid = trade.state in ("paid", "refunded")
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
    if paid:
        node["send_pay_date"] = beijing(trade.paid_at or 0)
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
    active = faults.take(world.store, target="alipay.refund", names=faults.ALLOWED["alipay.refund"])
    trade, amount = _find(world, command), _amount(command.biz.get("refund_amount"))
    number = command.text("out_request_no")
    if not number and amount != trade.fen:
        raise GatewayError("ACQ.INVALID_PARAMETER", "部分退款必须传入 out_request_no")
    number = number or trade.provider_reference
    with world.store.transaction():
        known = refunds.find(world.store, trade, reference=number)
        if known is not None and known.fen != amount:
            raise GatewayError("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
        new = NewRefund(number, amount, reason=command.text("refund_reason"))
        done = known or make_refund(world, trade, new, active=active)
    if "lost_answer" in active:
        raise HangUp
    moved = known is None and done.state == "succeeded"
    return {
        **BUYER,
        "fund_change": "Y" if moved else "N",
        "gmt_refund_pay": beijing(done.at),
        "out_trade_no": trade.reference,
        "refund_fee": yuan(trades.get_trade(world.store, trade.id).refunded_fen),
        "send_back_fee": yuan(done.fen if moved else 0),
        "trade_no": trade.provider_reference,
    }


def make_refund(world: World, trade: Trade, new: NewRefund, *, active: Mapping[str, float]) -> Refund:
    """Refund money and queue the notification in one transaction. Raises GatewayError."""
    if "closed" in active:
        raise GatewayError("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
    try:
        return refunding.order(world, trade, new, active=active)
    except TradeRefused as refused:
        raise GatewayError(*_REFUND_ERRORS[refused.code]) from None


_REFUND_ERRORS = {
    "not_paid": ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"),
    "fully_refunded": ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    "amount_too_large": ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限"),
}
_REFUND_TEXTS = {"succeeded": "REFUND_SUCCESS", "processing": "REFUND_PROCESSING"}


def _refund_query(world: World, command: Command) -> Node:
    """Answer with the refund, or with no data when there is none: code 10000 means only that the query was understood."""
    trade = _find(world, command)
    known = refunds.find(world.store, trade, reference=command.text("out_request_no"))
    if known is None or known.state not in _REFUND_TEXTS:
        return {}
    node: Node = {
        "out_request_no": known.reference,
        "out_trade_no": trade.reference,
        "refund_amount": yuan(known.fen),
        "refund_status": _REFUND_TEXTS[known.state],
        "total_amount": yuan(trade.fen),
        "trade_no": trade.provider_reference,
    }
    return {**node, "gmt_refund_pay": beijing(known.at)} if known.state == "succeeded" else node


def _bill_address(world: World, command: Command) -> Node:
    """Answer with a download URL that is valid for 30 s. A day without trades, or not yet over, has no bill."""
    day = command.text("bill_date")
    if command.text("bill_type") not in ("trade", "signcustomer"):
        raise GatewayError("isv.invalid-arguments", "bill_type 无效")
    app_id = command.params["app_id"]
    try:
        out = bills.is_out(world.store, day, provider="alipay")
        lines = bills.lines_of(world.store, provider="alipay", day=day, merchant=app_id)
    except ValueError:
        raise GatewayError("isv.invalid-arguments", "bill_date 无效") from None
    if not out or not lines:
        raise GatewayError("isp.bill_not_exist", "账单不存在")
    what = json.dumps({"day": day, "app_id": app_id})
    token = tickets.give(world.store, provider="alipay", what=what, seconds=BILL_SECONDS)
    return {"bill_download_url": f"{world.settings.origin}/alipay/bill?token={token}"}


def handle_bill(world: World, request: Request) -> Response:
    """Send the unsigned zip of a download URL."""
    token = read_form(request.query, charset="utf-8").get("token", "")
    what = tickets.look(world.store, provider="alipay", token=token)
    if what is None:
        return Response(403, b"expired")
    wanted, packed = json.loads(what), io.BytesIO()
    lines = bills.lines_of(world.store, provider="alipay", day=wanted["day"], merchant=wanted["app_id"])
    seller = seller_of(world, wanted["app_id"])
    bill_files.write("alipay", lines, day=wanted["day"], merchant=seller, target=packed)
    name = f"{seller}0156_{wanted['day'].replace('-', '')}.csv.zip"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(200, packed.getvalue(), "application/zip", disposition)


def _certificate(world: World, command: Command) -> Node:
    """Answer with the certificate of a serial number: merchants download it when a response names an unknown one."""
    certificates, serial = world.keys.alipay_certificates, command.text("alipay_cert_sn")
    if serial not in certificates.signing:
        raise GatewayError("isv.alipay-cert-sn-not-exist", "支付宝证书序列号不存在")
    return {"alipay_cert_content": base64.b64encode(certificates.file_of(serial)).decode()}


_METHODS: Mapping[str, Callable[[World, Command], Node]] = {
    "alipay.trade.query": _query,
    "alipay.trade.close": _close,
    "alipay.trade.refund": _refund,
    "alipay.trade.fastpay.refund.query": _refund_query,
    "alipay.data.dataservice.bill.downloadurl.query": _bill_address,
    "alipay.open.app.alipaycert.download": _certificate,
}
