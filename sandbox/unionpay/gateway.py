"""UnionPay's gateway under `/unionpay/`: the buyer's own form post, query, refund and the file of a day.

Calls are recognised by the end of their path (`frontTransReq.do`, `backTransReq.do`, `queryTrans.do`, `fileTransfer.do`).
A transaction is known to the query once the buyer has opened the cashier; there is no call that closes it,
only its `payTimeout`.
"""

import base64
import io
import re
import secrets
import zlib
from collections.abc import Callable, Mapping

from sandbox import faults
from sandbox.formats import compact, from_compact, now
from sandbox.pages import message_page
from sandbox.trading import bill_files, bills, refunding, refunds, trades
from sandbox.trading.refunds import NewRefund, Refund
from sandbox.trading.trades import NewTrade, Trade, TradeRefused
from sandbox.trouble import troubled
from sandbox.unionpay.notifications import payment_fields, refund_fields
from sandbox.unionpay.wire import MESSAGES, Refused, needed, read_message, with_message, write_answer
from sandbox.web import HangUp, Request, Response, html_response, json_response, redirect
from sandbox.world import World

PREFIX = "/unionpay/"
TARGET = "unionpay.gateway"
_ORDER = re.compile(r"[0-9A-Za-z]{8,40}", re.ASCII)
_ECHOED = (
    "merId", "orderId", "txnTime", "txnType", "txnSubType", "bizType", "accessType", "txnAmt", "currencyCode",
)  # fmt: skip
Fields = Mapping[str, str]


def handle_call(world: World, request: Request) -> Response:
    """Handle a call: `…/frontTransReq.do` redirects to the cashier, the others are answered, with active faults applied."""
    word = request.path.rpartition("/")[2]
    if word == "frontTransReq.do":
        return _front(world, request)
    call = _CALLS.get(word)
    if call is None:
        return json_response({"error": "not_found"}, status=404)
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, call, active))


def _front(world: World, request: Request) -> Response:
    try:
        trade = accept_front(world, read_message(world, request))
    except Refused as refused:
        text = f"{MESSAGES[refused.code]}（{refused.code}）"
        return html_response(message_page(title="银联无法受理", text=text), status=400)
    return redirect(f"{PREFIX}cashier/{trade.token}")


def accept_front(world: World, fields: Fields) -> Trade:
    """Open the transaction of a buyer's form post. Raises Refused."""
    if (fields.get("txnType"), fields.get("txnSubType")) != ("01", "01"):
        raise Refused("10")
    new = NewTrade(
        provider="unionpay",
        merchant=world.settings.mer_id,
        reference=_order_id(fields),
        fen=_amount(fields),
        subject=fields.get("orderDesc") or "银联在线支付",
        expires_at=_timeout(fields),
        notify_url=needed(fields, "backUrl"),
        return_url=fields.get("frontUrl", ""),
        extra={"txn_time": _time(fields), "req_reserved": fields.get("reqReserved", "")},
    )
    try:
        return trades.open_trade(world.store, new)
    except TradeRefused as refused:
        raise Refused({"already_expired": "01", "closed": "01"}.get(refused.code, "12")) from None


def _answer(
    world: World,
    request: Request,
    call: Callable[[World, Fields], dict[str, str]],
    active: Mapping[str, float],
) -> Response:
    fields: Fields = {}
    try:
        fields = read_message(world, request)
        answer = call(world, fields)
    except Refused as refused:
        answer = with_message(refused.code)
    if "wrong_amount" in active and "txnAmt" in answer:
        answer["txnAmt"] = str(round(active["wrong_amount"] * 100))
    echoed = {name: fields[name] for name in _ECHOED if fields.get(name)}
    return write_answer(world, {**echoed, **answer}, active=active)


def _query(world: World, fields: Fields) -> dict[str, str]:
    """respCode is the state of the query, origRespCode that of the transaction."""
    trade, refund = _wanted(world, fields)
    if refund is not None:
        code = {"succeeded": "00", "closed": "01"}.get(refund.state, "05")
        content = refund_fields(trade, refund)
    elif trade.state in ("paid", "refunded"):
        code, content = "00", payment_fields(trade)
    else:
        waits = trade.state == "waiting" and trade.expires_at > now()
        code, content = "05" if waits else "01", {"txnAmt": str(trade.fen), "currencyCode": "156"}
    content = {**content, **with_message("00"), "txnType": "00", "txnSubType": "00"}
    return {**content, "origRespCode": code, "origRespMsg": MESSAGES[code]}


def _wanted(world: World, fields: Fields) -> tuple[Trade, Refund | None]:
    """Find the queried transaction by queryId, or by order number and time; a refund is one of its own. Raises Refused."""
    number = fields.get("queryId", "")
    if number:
        trade = trades.find_provider_reference(world.store, number)
    else:
        trade = trades.find_trade(
            world.store, provider="unionpay", merchant=world.settings.mer_id, reference=_order_id(fields)
        )
        if trade is not None and trade.extra["txn_time"] != _time(fields):
            trade = None
    if trade is not None and trade.provider == "unionpay" and trade.opened_at is not None:
        return trade, None
    refund = refunds.find_anywhere(
        world.store, provider="unionpay", reference=number or fields.get("orderId", "")
    )
    if refund is None or not (number or refund.extra.get("txn_time") == _time(fields)):
        raise Refused("34")
    return trades.get_trade(world.store, refund.trade_id), refund


def _back(world: World, fields: Fields) -> dict[str, str]:
    """Accept a refund (type 04), which does not mean that money moved."""
    active = faults.take(world.store, target="unionpay.refund", names=faults.ALLOWED["unionpay.refund"])
    if fields.get("txnType") != "04":
        raise Refused("10")
    trade = trades.find_provider_reference(world.store, needed(fields, "origQryId"))
    if trade is None or trade.provider != "unionpay":
        raise Refused("34")
    reference = _order_id(fields)
    if refunds.find_anywhere(world.store, provider="unionpay", reference=reference) is not None:
        raise Refused("12")
    extra = {"txn_time": _time(fields), "back_url": fields.get("backUrl", "")}
    new = NewRefund(reference, _amount(fields), extra=extra)
    refund = make_refund(world, trade, new, active=active)
    if "lost_answer" in active:
        raise HangUp
    return {**with_message("00"), "queryId": refund.provider_reference, "origQryId": trade.provider_reference}


def make_refund(world: World, trade: Trade, new: NewRefund, *, active: Mapping[str, float]) -> Refund:
    """Take a refund on. Raises Refused."""
    number = compact(now()) + f"{secrets.randbelow(10**7):07d}"
    planned = NewRefund(
        new.reference, new.fen, reason=new.reason, provider_reference=number,
        extra={"txn_time": compact(now()), **new.extra},
    )  # fmt: skip
    try:
        return refunding.order(world, trade, planned, active=active)
    except TradeRefused as refused:
        raise Refused("36" if refused.code == "amount_too_large" else "01") from None


def _file(world: World, fields: Fields) -> dict[str, str]:
    """Answer with the file of a settlement day (`MMdd`): a zip, deflated once more, in base64."""
    if fields.get("txnType") != "76":
        raise Refused("10")
    date = needed(fields, "settleDate")
    try:
        day = _day(date)
        lines = bills.lines_of(world.store, provider="unionpay", day=day)
    except ValueError:
        raise Refused("10") from None
    if not lines or not bills.is_out(world.store, day, provider="unionpay"):
        raise Refused("98")
    packed = io.BytesIO()
    bill_files.write("unionpay", lines, day=day, merchant=world.settings.mer_id, target=packed)
    content = base64.b64encode(zlib.compress(packed.getvalue())).decode()
    return {
        **with_message("00"), "settleDate": date, "fileType": "00", "fileContent": content,
        "fileName": f"{world.settings.mer_id}_{day.replace('-', '')}.zip",
    }  # fmt: skip


def _day(date: str) -> str:
    """Return the latest day with this month and day that is not after today's clearing day."""
    today = compact(now() + 3600)
    year = int(today[:4]) - (1 if date > today[4:8] else 0)
    moment = from_compact(f"{year}{date}000000")
    text = compact(moment)
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}"


_CALLS: Mapping[str, Callable[[World, Fields], dict[str, str]]] = {
    "queryTrans.do": _query,
    "backTransReq.do": _back,
    "backTrans.do": _back,
    "fileTransfer.do": _file,
}


def _order_id(fields: Fields) -> str:
    text = needed(fields, "orderId")
    if not _ORDER.fullmatch(text):
        raise Refused("10")
    return text


def _time(fields: Fields) -> str:
    text = needed(fields, "txnTime")
    try:
        from_compact(text)
    except ValueError:
        raise Refused("10") from None
    return text


def _timeout(fields: Fields) -> float:
    """`payTimeout` in China time, else a day after txnTime."""
    text = fields.get("payTimeout", "")
    try:
        return from_compact(text) if text else now() + 86400
    except ValueError:
        raise Refused("10") from None


def _amount(fields: Fields) -> int:
    text = needed(fields, "txnAmt")
    if not re.fullmatch(r"[1-9][0-9]{0,11}", text, re.ASCII) or fields.get("currencyCode", "156") != "156":
        raise Refused("10")
    return int(text)
