"""WeChat Pay's gateway under `/wechatpay/v3/`: order, query, close, refund, certificates and bills of one merchant.

`code_url` is an http address that opens the sandbox's own cashier: a `weixin://` one would need a telephone.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from sandbox import faults
from sandbox.formats import from_iso, now, rfc3339
from sandbox.keys.issued import hex_serial
from sandbox.trading import refunding, refunds, trades
from sandbox.trading.refunds import NewRefund, Refund
from sandbox.trading.trades import NewTrade, Trade, TradeRefused
from sandbox.trouble import troubled
from sandbox.web import HangUp, Request, Response, read_form
from sandbox.wechatpay import bill_download as wechat_bills
from sandbox.wechatpay.notifications import WechatForm, refund_status, transaction
from sandbox.wechatpay.wire import ApiError, Body, check_call, read_body, write_answer, write_unsigned
from sandbox.world import World

PREFIX = "/wechatpay"
TARGET = "wechatpay.gateway"
StatusAndBody = tuple[int, object]
_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{6,32}", re.ASCII)
_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}", re.ASCII)


def handle_api(world: World, request: Request) -> Response:
    """Handle a call under `/wechatpay/v3/`. Only the download of a bill is answered without a signature."""
    if request.path.removeprefix(PREFIX) == wechat_bills.DOWNLOAD:
        return troubled(world, target=TARGET, work=lambda active: _download(world, request))
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    try:
        check_call(world, request)
    except ApiError as error:
        return write_unsigned(error)
    try:
        status, value = _dispatch(world, request)
    except ApiError as error:
        status, value = error.status, {"code": error.code, "message": error.message}
    amount = value.get("amount") if isinstance(value, dict) else None
    if "wrong_amount" in active and isinstance(amount, dict):
        amount["total"] = round(active["wrong_amount"] * 100)
    return write_answer(world, request, value=value, status=status, active=active)


def _download(world: World, request: Request) -> Response:
    try:
        check_call(world, request)
        return wechat_bills.download(world, read_form(request.query, charset="utf-8").get("token", ""))
    except ApiError as error:
        return write_unsigned(error)


def _dispatch(world: World, request: Request) -> StatusAndBody:
    path = request.path.removeprefix(PREFIX)
    for method, pattern, call in _CALLS:
        match = re.fullmatch(pattern, path)
        if match and method == request.method:
            return call(world, request, *map(unquote, match.groups()))
    raise ApiError(404, "RESOURCE_NOT_EXISTS", "无此接口")


def _native(world: World, request: Request) -> StatusAndBody:
    trade = _open(world, read_body(request), trade_type="NATIVE")
    host = request.headers.get("host", f"{world.settings.host}:{world.settings.port}")
    return 200, {"code_url": f"http://{host}{PREFIX}/cashier/{trade.token}"}


def _jsapi(world: World, request: Request) -> StatusAndBody:
    body = read_body(request)
    payer = body.get("payer")
    if not isinstance(payer, dict) or not payer.get("openid"):
        raise ApiError(400, "PARAM_ERROR", "输入源“/body/payer/openid”缺少必填项")
    trade = _open(world, body, trade_type="JSAPI")
    return 200, {"prepay_id": f"wx{trade.token}"}


def _open(world: World, body: Body, *, trade_type: str) -> Trade:
    _check_merchant(world, body)
    if body.get("appid") != world.settings.appid:
        raise ApiError(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配")
    notify_url = _text(body, "notify_url")
    if "?" in notify_url or not notify_url.startswith(("http://", "https://")):
        raise ApiError(400, "PARAM_ERROR", "notify_url不合法, 不能携带参数")
    payer = body.get("payer")
    extra = {"appid": world.settings.appid, "trade_type": trade_type, "attach": str(body.get("attach") or "")}
    if isinstance(payer, dict):
        extra["openid"] = str(payer.get("openid"))
    new = NewTrade(
        provider="wechatpay",
        merchant=world.settings.mchid,
        reference=_number(body, "out_trade_no", _NUMBER),
        fen=_fen(body, "total"),
        subject=_text(body, "description"),
        expires_at=_expiry(body),
        notify_url=notify_url,
        return_url="",
        extra=extra,
    )
    try:
        # A prepaid order can be queried at once, before the buyer has scanned it.
        return trades.visit(world.store, trades.open_trade(world.store, new))
    except TradeRefused as refused:
        raise ApiError(*_OPEN_ERRORS[refused.code]) from None


_OPEN_ERRORS = {
    "already_expired": (400, "PARAM_ERROR", "time_expire时间过短"),
    "closed": (400, "ORDER_CLOSED", "订单已关闭"),
    "already_paid": (400, "ORDERPAID", "该订单已支付"),
    "amount_differs": (400, "INVALID_REQUEST", "201 商户订单号重复"),
}


def _query(world: World, request: Request, reference: str) -> StatusAndBody:
    return 200, _described(_find(world, request, reference=reference))


def _query_by_id(world: World, request: Request, number: str) -> StatusAndBody:
    _check_query_merchant(world, request)
    trade = trades.find_provider_reference(world.store, number)
    if trade is None or trade.provider != "wechatpay":
        raise ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
    return 200, _described(trade)


def _find(world: World, request: Request, *, reference: str) -> Trade:
    _check_query_merchant(world, request)
    return _trade(world, reference)


def _trade(world: World, reference: str) -> Trade:
    trade = trades.find_trade(
        world.store, provider="wechatpay", merchant=world.settings.mchid, reference=reference
    )
    if trade is None:
        raise ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
    return trade


def _described(trade: Trade) -> dict[str, object]:
    """The content of a query response. The state is REFUND after a partial refund too."""
    if trade.state in ("paid", "refunded"):
        state = "REFUND" if trade.refunded_fen else "SUCCESS"
        desc = "转入退款" if trade.refunded_fen else "支付成功"
        return {**transaction(trade), "trade_state": state, "trade_state_desc": desc}
    waits = trade.state == "waiting" and trade.expires_at > now()
    return {
        "appid": trade.extra["appid"],
        "mchid": trade.merchant,
        "out_trade_no": trade.reference,
        "trade_state": "NOTPAY" if waits else "CLOSED",
        "trade_state_desc": "订单未支付" if waits else "订单已关闭",
        "attach": trade.extra.get("attach", ""),
        "amount": {"total": trade.fen, "currency": "CNY"},
        "promotion_detail": [],
    }


def _close(world: World, request: Request, reference: str) -> StatusAndBody:
    _check_merchant(world, read_body(request))
    try:
        trades.close(world.store, _trade(world, reference))
    except TradeRefused as refused:
        if refused.code == "already_paid":
            raise ApiError(400, "ORDERPAID", "该订单已支付") from None
    return 204, None


def _refund(world: World, request: Request) -> StatusAndBody:
    active = faults.take(world.store, target="wechatpay.refund", names=faults.ALLOWED["wechatpay.refund"])
    body = read_body(request)
    trade = _refunded_trade(world, body)
    number, fen = _number(body, "out_refund_no", _REFUND_NUMBER), _fen(body, "refund")
    if _fen(body, "total") != trade.fen:
        raise ApiError(400, "PARAM_ERROR", "订单金额与之前请求不一致")
    known = refunds.find_anywhere(world.store, provider="wechatpay", reference=number)
    if known is not None and (known.fen != fen or known.trade_id != trade.id):
        raise ApiError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
    extra = {"notify_url": str(body.get("notify_url") or "")}
    new = NewRefund(number, fen, reason=str(body.get("reason") or ""), extra=extra)
    done = known or make_refund(world, trade, new, active=active)
    if "lost_answer" in active:
        raise HangUp
    return 200, _described_refund(trade, done)


def _refunded_trade(world: World, body: Body) -> Trade:
    number = str(body.get("transaction_id") or "")
    if not number:
        return _trade(world, _text(body, "out_trade_no"))
    trade = trades.find_provider_reference(world.store, number)
    if trade is None or trade.provider != "wechatpay":
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    return trade


def make_refund(world: World, trade: Trade, new: NewRefund, *, active: Mapping[str, float]) -> Refund:
    """Accept a refund. Raises ApiError."""
    try:
        return refunding.order(world, trade, new, active=active)
    except TradeRefused as refused:
        raise ApiError(*_REFUND_ERRORS[refused.code]) from None


_REFUND_ERRORS = {
    "not_paid": (400, "INVALID_REQUEST", "订单未支付, 不能退款"),
    "fully_refunded": (400, "INVALID_REQUEST", "订单已全额退款"),
    "amount_too_large": (403, "NOT_ENOUGH", "申请退款金额大于订单可退金额"),
}


def _query_refund(world: World, request: Request, number: str) -> StatusAndBody:
    refund = refunds.find_anywhere(world.store, provider="wechatpay", reference=number)
    if refund is None:
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return 200, _described_refund(trades.get_trade(world.store, refund.trade_id), refund)


def _described_refund(trade: Trade, refund: Refund) -> dict[str, object]:
    status = refund_status(refund)
    answer: dict[str, object] = {
        "refund_id": refund.provider_reference,
        "out_refund_no": refund.reference,
        "transaction_id": trade.provider_reference,
        "out_trade_no": trade.reference,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund.at),
        "status": status,
        "funds_account": "AVAILABLE",
        "amount": {
            "total": trade.fen, "refund": refund.fen, "payer_total": trade.fen, "payer_refund": refund.fen,
            "settlement_refund": refund.fen, "settlement_total": trade.fen, "discount_refund": 0,
            "currency": "CNY", "from": [],
        },
    }  # fmt: skip
    return {**answer, "success_time": rfc3339(refund.at)} if status == "SUCCESS" else answer


def _certificates(world: World, request: Request) -> StatusAndBody:
    """The platform certificate, encrypted with the APIv3 key."""
    one = world.keys.wechat.platform
    entry = {
        "serial_no": hex_serial(one),
        "effective_time": rfc3339(one.not_valid_before_utc.timestamp()),
        "expire_time": rfc3339(one.not_valid_after_utc.timestamp()),
        "encrypt_certificate": WechatForm(world).encrypt(world.keys.wechat.platform_pem(), "certificate"),
    }
    return 200, {"data": [entry]}


def _tradebill(world: World, request: Request) -> StatusAndBody:
    host = request.headers.get("host", "")
    answer = wechat_bills.prepare(world, read_form(request.query, charset="utf-8"))
    prefix = PREFIX if request.path.startswith(PREFIX) else ""
    return 200, {**answer, "download_url": f"http://{host}{prefix}{answer['download_url']}"}


_CALLS: tuple[tuple[str, str, Callable[..., StatusAndBody]], ...] = (
    ("POST", r"/v3/pay/transactions/native", _native),
    ("POST", r"/v3/pay/transactions/jsapi", _jsapi),
    ("GET", r"/v3/pay/transactions/out-trade-no/([^/]+)", _query),
    ("GET", r"/v3/pay/transactions/id/([^/]+)", _query_by_id),
    ("POST", r"/v3/pay/transactions/out-trade-no/([^/]+)/close", _close),
    ("POST", r"/v3/refund/domestic/refunds", _refund),
    ("GET", r"/v3/refund/domestic/refunds/([^/]+)", _query_refund),
    ("GET", r"/v3/certificates", _certificates),
    ("GET", r"/v3/bill/tradebill", _tradebill),
)


def _check_merchant(world: World, body: Body) -> None:
    if body.get("mchid") != world.settings.mchid:
        raise ApiError(400, "PARAM_ERROR", "商户号与Authorization不一致")


def _check_query_merchant(world: World, request: Request) -> None:
    _check_merchant(world, read_form(request.query, charset="utf-8"))


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, "PARAM_ERROR", f"输入源“/body/{name}”缺少必填项")
    return value


def _number(body: Body, name: str, form: re.Pattern[str]) -> str:
    text = _text(body, name)
    if not form.fullmatch(text):
        raise ApiError(400, "PARAM_ERROR", f"输入源“/body/{name}”不合法")
    return text


def _fen(body: Body, name: str) -> int:
    """An integer of `amount`; WeChat takes no text and no fraction."""
    amount = body.get("amount")
    value = amount.get(name) if isinstance(amount, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**11:
        raise ApiError(400, "PARAM_ERROR", f"输入源“/body/amount/{name}”不合法")
    if isinstance(amount, dict) and amount.get("currency", "CNY") != "CNY":
        raise ApiError(400, "PARAM_ERROR", "货币类型不合法")
    return value


def _expiry(body: Body) -> float:
    """`time_expire` with a zone, else two hours. Unix seconds."""
    if body.get("time_expire") is None:
        return now() + 7200
    try:
        return from_iso(_text(body, "time_expire"))
    except ValueError:
        raise ApiError(400, "PARAM_ERROR", "time_expire不合法") from None
