"""WeChat Pay (微信支付), APIv3: native orders (a text for a QR code), JSAPI where the account asks for it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy

from ordersite.lib.china_time import BEIJING
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from ordersite.lib.money import fen
from ordersite.outside_accounts.files import missing_keys
from payments.providers.errors import REJECTIONS
from payments.providers.interface import Provider
from payments.providers.responses import FAILURE_STATUS, NotificationResponse
from payments.providers.types import (
    AccountKeys,
    Attempt,
    BillResult,
    ParsedNotification,
    PaymentPage,
    RawNotification,
    RefundOrder,
    RefundResult,
    RefundState,
    TradeResult,
    TradeState,
)
from payments.providers.values import CURRENCY
from payments.providers.wechatpay import bill
from payments.providers.wechatpay.gateway import (
    WeChatPayResponse,
    failure,
    get,
    post,
    refusal_text,
    refused,
    signature_of,
    unreadable,
)
from payments.providers.wechatpay.notification import (
    account_problem,
    decrypt_content,
    parse_notification,
    read_fen,
    read_object,
    read_text,
    read_time,
)
from payments.providers.wechatpay.self_check import JSAPI, check_config, check_keys

# Longest texts that the platform takes, in bytes of UTF-8.
_DESCRIPTION_BYTES, _REASON_BYTES = 127, 80
_MOST_CODE_URL = 500
_TRADES, _REFUNDS = "/v3/pay/transactions", "/v3/refund/domestic/refunds"
_NOT_FOUND = frozenset(("ORDERNOTEXIST", "ORDERNOTEXISTS", "RESOURCENOTEXIST", "RESOURCENOTEXISTS"))
# Closing came too late, or was done before: the query says which.
_ASK_AFTER_CLOSE = frozenset(("ORDERPAID", "ORDERCLOSED", "INVALIDREQUEST", "TRADEERROR"))
_STATES = {
    "SUCCESS": TradeState.PAID,
    # At least one refund exists, not necessarily of all the money: it was paid, the refunds are asked for one by one.
    "REFUND": TradeState.PAID,
    "NOTPAY": TradeState.PENDING,
    "ACCEPT": TradeState.PENDING,
    "USERPAYING": TradeState.PENDING,
    "PAYERROR": TradeState.PENDING,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,
}
_REFUND_STATES = {
    "SUCCESS": RefundState.SUCCEEDED,
    "PROCESSING": RefundState.PROCESSING,
    "ABNORMAL": RefundState.ABNORMAL,
    "CLOSED": RefundState.FAILED,
}


class WechatPay(Provider):
    name = "wechatpay"
    label = gettext_lazy("WeChat Pay")
    config_keys = ("mchid", "appid", "gateway_url", "merchant_serial")
    secret_keys = ("api_v3_key", "merchant_private_key", "platform_keys")
    optional_config_keys = ("trade_type",)
    # WeChat Pay takes refunds of one order no closer together (merchant documentation, 4012556457).
    refund_gap = timedelta(minutes=1)

    def check(self, keys: AccountKeys) -> list[str]:
        """What is wrong with the account, as far as can be seen without asking WeChat Pay."""
        return missing_keys(self, keys) or check_config(keys.config) + check_keys(keys)

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Raises `Rejected`."""
        return parse_notification(call, keys)

    def decrypted_content(self, body: bytes, keys: AccountKeys) -> Mapping[str, Any]:
        return decrypt_content(body, keys)

    def success(self) -> NotificationResponse:
        return NotificationResponse(204, "application/json", b"")

    def failure(self, code: str) -> NotificationResponse:
        # Any 2xx counts as taken, whatever the body says; only the status brings the message again.
        body = {"code": "FAIL", "message": str(REJECTIONS.get(code, code))}
        text = json.dumps(body, ensure_ascii=False)
        return NotificationResponse(FAILURE_STATUS.get(code, 400), "application/json", text.encode())

    def can_query(self, keys: AccountKeys) -> bool:
        return True

    def can_close(self, keys: AccountKeys) -> bool:
        return True

    def can_refund(self, keys: AccountKeys) -> bool:
        return True

    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """A native order: the answer's text is shown as a QR code. Raises `OutsideError`.

        Ordering again with the same number and content gives the same order.
        """
        answer = _order("native", _order_content(attempt, keys), keys, gateway)
        code_url = read_text(answer.fields, "code_url")
        if not code_url or len(code_url) > _MOST_CODE_URL:
            raise unreadable("code_url is missing or too long")
        return PaymentPage(code_url=code_url, raw=answer.raw)

    def pays_in_app(self, keys: AccountKeys) -> bool:
        return keys.config.get("trade_type") == JSAPI

    def start_in_app(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> Mapping[str, str]:
        """A JSAPI order for a page inside WeChat: the signed parameters of WeixinJSBridge's getBrandWCPayRequest.

        For accounts with `trade_type` jsapi and buyers whose openid is known. One number is for one kind of order: a
        native one of the same attempt must not exist. Raises `OutsideError`.
        """
        if not self.pays_in_app(keys) or not attempt.openid:
            raise failure("provider_misconfigured", "no openid, or trade_type is not jsapi")
        content = {**_order_content(attempt, keys), "payer": {"openid": attempt.openid}}
        prepay_id = read_text(_order("jsapi", content, keys, gateway).fields, "prepay_id")
        if not prepay_id:
            raise unreadable("prepay_id is missing")
        return _client_parameters(prepay_id, keys)

    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Raises `OutsideError`."""
        mchid = quote(keys.config.get("mchid", ""), safe="")
        answer = get(f"{_trade_path(attempt.reference)}?mchid={mchid}", keys, gateway)
        if answer.code in _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=answer.raw)
        if not answer.ok:
            raise refused(answer)
        return _trade(answer, attempt.reference, keys)

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Asks when the platform says that there is nothing left to close. Raises `OutsideError`."""
        content = {"mchid": keys.config.get("mchid", "")}
        answer = post(f"{_trade_path(attempt.reference)}/close", content, keys, gateway)
        if answer.ok:
            return TradeResult(state=TradeState.CLOSED, raw=answer.raw)
        if answer.code in _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=answer.raw)
        if answer.code not in _ASK_AFTER_CLOSE:
            raise refused(answer)
        asked = self.query(attempt, keys, gateway)
        if asked.state is TradeState.PENDING:
            raise refused(answer)
        return asked

    def refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """An answer is an acceptance; money has moved only where the state says so. Raises `OutsideError`.

        After a refusal we ask: an order of the same number, whose answer was lost, may have been accepted.
        """
        answer = post(_REFUNDS, _refund_content(order), keys, gateway)
        if answer.ok:
            return _refund(answer, order)
        failed = _refund_refused(answer, order)
        known = self.query_refund(order, keys, gateway)
        return failed if known.state is RefundState.NOT_DONE else known

    def query_refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Raises `OutsideError`."""
        answer = get(f"{_REFUNDS}/{quote(order.refund_reference, safe='')}", keys, gateway)
        if answer.code in _NOT_FOUND:
            return RefundResult(
                state=RefundState.NOT_DONE, refund_reference=order.refund_reference, raw=answer.raw
            )
        if not answer.ok:
            raise refused(answer)
        return _refund(answer, order)

    def can_bill(self, keys: AccountKeys) -> bool:
        return True

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """The trades and refunds of that day as CSV, in yuan. Raises `OutsideError`."""
        return bill.fetch_bill(day, keys, gateway, target)


def _trade_path(reference: str) -> str:
    return f"{_TRADES}/out-trade-no/{quote(reference, safe='')}"


def _cut(text: str, longest: int) -> str:
    """The beginning of a text that fits into so many bytes of UTF-8."""
    return text.encode()[:longest].decode("utf-8", "ignore")


def _order_content(attempt: Attempt, keys: AccountKeys) -> dict[str, Any]:
    return {
        "appid": keys.config.get("appid", ""),
        "mchid": keys.config.get("mchid", ""),
        "description": _cut(attempt.subject, _DESCRIPTION_BYTES) or attempt.reference,
        "out_trade_no": attempt.reference,
        "time_expire": _write_time(attempt.expires_at),
        "notify_url": attempt.notify_url,
        "amount": {"total": fen(attempt.amount), "currency": attempt.currency},
    }


def _write_time(at: datetime) -> str:
    """RFC 3339, Beijing time, to the second."""
    return at.astimezone(BEIJING).isoformat(timespec="seconds")


def _order(kind: str, content: Mapping[str, Any], keys: AccountKeys, gateway: Gateway) -> WeChatPayResponse:
    answer = post(f"{_TRADES}/{kind}", content, keys, gateway)
    if not answer.ok:
        raise refused(answer)
    return answer


def _client_parameters(prepay_id: str, keys: AccountKeys) -> dict[str, str]:
    """Signed are appId, timeStamp, nonceStr and package, a line each."""
    appid, package = keys.config.get("appid", ""), f"prepay_id={prepay_id}"
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16).upper()
    return {
        "appId": appid,
        "timeStamp": timestamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": signature_of(keys, appid, timestamp, nonce, package),
    }


def _mismatch(name: str) -> OutsideError:
    return unreadable(f"the answer is about something else: {name} does not fit")


def _trade(answer: WeChatPayResponse, reference: str, keys: AccountKeys) -> TradeResult:
    if read_text(answer.fields, "out_trade_no") != reference:
        raise _mismatch("out_trade_no")
    if problem := account_problem(answer.fields, keys.config):
        raise _mismatch(problem.removeprefix("wrong_"))
    state = _STATES.get(read_text(answer.fields, "trade_state"), TradeState.UNKNOWN)
    amount = read_object(answer.fields, "amount")
    total = read_fen(amount, "total")
    if state is TradeState.PAID and total is None:
        raise _mismatch("amount.total")
    return TradeResult(
        state=state,
        provider_reference=read_text(answer.fields, "transaction_id"),
        amount=total,
        currency=read_text(amount, "currency")[:3] or CURRENCY,
        paid_at=read_time(answer.fields, "success_time"),
        raw=answer.raw,
    )


def _refund_content(order: RefundOrder) -> dict[str, Any]:
    content: dict[str, Any] = {
        "out_trade_no": order.reference,
        "out_refund_no": order.refund_reference,
        "reason": _cut(order.reason, _REASON_BYTES),
        "notify_url": order.notify_url,
        "amount": {
            "refund": fen(order.amount),
            "total": fen(order.payment_amount),
            "currency": order.currency,
        },
    }
    return {name: value for name, value in content.items() if value}


def _refund(answer: WeChatPayResponse, order: RefundOrder) -> RefundResult:
    wanted = {"out_refund_no": order.refund_reference, "out_trade_no": order.reference}
    for name, value in wanted.items():
        if read_text(answer.fields, name) != value:
            raise _mismatch(name)
    state = _REFUND_STATES.get(read_text(answer.fields, "status"))
    amount = _refunded(answer)
    if state is None or amount != order.amount:
        raise _mismatch("status" if state is None else "amount.refund")
    return RefundResult(
        state=state,
        refund_reference=order.refund_reference,
        amount=amount,
        detail="" if state is RefundState.SUCCEEDED else read_text(answer.fields, "status"),
        raw=answer.raw,
    )


def _refunded(answer: WeChatPayResponse) -> Decimal | None:
    return read_fen(read_object(answer.fields, "amount"), "refund")


def _refund_refused(answer: WeChatPayResponse, order: RefundOrder) -> RefundResult:
    """A business refusal is an end that a person reads; anything else is our own configuration."""
    error = refused(answer)
    if error.code != "provider_refused":
        raise error
    return RefundResult(
        state=RefundState.FAILED,
        refund_reference=order.refund_reference,
        amount=order.amount,
        detail=refusal_text(answer),
        raw=answer.raw,
    )
