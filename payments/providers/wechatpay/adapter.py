"""The adapter of WeChat Pay (微信支付), APIv3: native orders (a text for a QR code), JSAPI by `trade_type`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
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
    RefundInstruction,
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
    refusal_error,
    refusal_text,
    signature_of,
    untrusted,
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

# The longest texts that the platform accepts, in bytes of UTF-8.
_DESCRIPTION_BYTES, _REASON_BYTES = 127, 80
_MOST_CODE_URL = 500
_TRADES, _REFUNDS = "/v3/pay/transactions", "/v3/refund/domestic/refunds"
_NOT_FOUND = frozenset(("ORDERNOTEXIST", "ORDERNOTEXISTS", "RESOURCENOTEXIST", "RESOURCENOTEXISTS"))
# Closing was too late, or was done before: a query shows which.
_QUERY_AFTER_CLOSE = frozenset(("ORDERPAID", "ORDERCLOSED", "INVALIDREQUEST", "TRADEERROR"))
# It was paid, and at least one refund exists, not necessarily of all the money.
_REFUNDED = "REFUND"
_STATES = {
    "SUCCESS": TradeState.PAID,
    _REFUNDED: TradeState.PAID,
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
    # WeChat Pay's shortest interval between two refunds of one order (merchant documentation, 4012556457).
    refund_gap = timedelta(minutes=1)
    # Of code_url and prepay_id, whatever time_expire is (community/develop/doc/0002222895cad84c08835d17162000).
    page_lifetime = timedelta(hours=2)
    signature_headers = frozenset(
        f"wechatpay-{name}" for name in ("signature-type", "timestamp", "nonce", "signature", "serial")
    )

    def check(self, keys: AccountKeys) -> list[str]:
        """The account's problems, as far as they can be found without calling WeChat Pay."""
        return missing_keys(self, keys) or check_config(keys.config) + check_keys(keys)

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Check and parse a notification. Raises `Rejected`."""
        return parse_notification(call, keys)

    def decrypted_content(self, body: bytes, keys: AccountKeys) -> Mapping[str, Any]:
        return decrypt_content(body, keys)

    def success(self) -> NotificationResponse:
        return NotificationResponse(204, "application/json", b"")

    def failure(self, code: str) -> NotificationResponse:
        # The platform reads only the status: any 2xx counts as received, anything else is retried.
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
        """Place a native order, whose `code_url` is shown as a QR code. Raises `OutsideError`.

        A repeat with the same number and content returns the same order.
        """
        response = _order("native", _order_content(attempt, keys), keys, gateway)
        code_url = read_text(response.fields, "code_url")
        if not code_url or len(code_url) > _MOST_CODE_URL:
            raise untrusted("code_url is missing or too long")
        return PaymentPage(code_url=code_url, raw=response.raw)

    def pays_in_app(self, keys: AccountKeys) -> bool:
        return keys.config.get("trade_type") == JSAPI

    def start_in_app(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> Mapping[str, str]:
        """Place a JSAPI order; the signed parameters of WeixinJSBridge's getBrandWCPayRequest.

        Needs an account with `trade_type` jsapi and the buyer's openid. A number is for one kind of order: a native
        order of the same attempt must not exist. Raises `OutsideError`.
        """
        if not self.pays_in_app(keys) or not attempt.openid:
            raise failure("provider_misconfigured", "no openid, or trade_type is not jsapi")
        content = {**_order_content(attempt, keys), "payer": {"openid": attempt.openid}}
        prepay_id = read_text(_order("jsapi", content, keys, gateway).fields, "prepay_id")
        if not prepay_id:
            raise untrusted("prepay_id is missing")
        return _client_parameters(prepay_id, keys)

    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Query an order, and its refunds where it has some. Raises `OutsideError`."""
        mchid = quote(keys.config.get("mchid", ""), safe="")
        response = get(f"{_trade_path(attempt.reference)}?mchid={mchid}", keys, gateway)
        if response.code in _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=response.raw)
        if not response.ok:
            raise refusal_error(response)
        result = _trade_result(response, attempt.reference, keys)
        return _with_refunds(result, attempt.reference, keys, gateway) if result.has_refunds else result

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Close an order; queries it when the platform reports nothing left to close. Raises `OutsideError`."""
        content = {"mchid": keys.config.get("mchid", "")}
        response = post(f"{_trade_path(attempt.reference)}/close", content, keys, gateway)
        if response.ok:
            return TradeResult(state=TradeState.CLOSED, raw=response.raw)
        if response.code in _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=response.raw)
        if response.code not in _QUERY_AFTER_CLOSE:
            raise refusal_error(response)
        queried = self.query(attempt, keys, gateway)
        if queried.state is TradeState.PENDING:
            raise refusal_error(response)
        return queried

    def refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Request a refund; a success means acceptance, and only the state tells whether money moved.

        After a refusal the refund is queried: an earlier request of the same number, whose response was lost, may have
        been accepted. Raises `OutsideError`.
        """
        response = post(_REFUNDS, _refund_content(refund), keys, gateway)
        if response.ok:
            return _refund_result(response, refund)
        failed = _refused_refund_result(response, refund)
        known = self.query_refund(refund, keys, gateway)
        return failed if known.state is RefundState.NOT_DONE else known

    def query_refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Query a refund. Raises `OutsideError`."""
        response = get(f"{_REFUNDS}/{quote(refund.refund_reference, safe='')}", keys, gateway)
        if response.code in _NOT_FOUND:
            return RefundResult(
                state=RefundState.NOT_DONE, refund_reference=refund.refund_reference, raw=response.raw
            )
        if not response.ok:
            raise refusal_error(response)
        return _refund_result(response, refund)

    def can_bill(self, keys: AccountKeys) -> bool:
        return True

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """Fetch the trades and refunds of that day as CSV, in yuan. Raises `OutsideError`."""
        return bill.fetch_bill(day, keys, gateway, target)


def _trade_path(reference: str) -> str:
    return f"{_TRADES}/out-trade-no/{quote(reference, safe='')}"


def _cut(text: str, longest: int) -> str:
    """The text cut to at most `longest` bytes of UTF-8, at a character's end."""
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
    response = post(f"{_TRADES}/{kind}", content, keys, gateway)
    if not response.ok:
        raise refusal_error(response)
    return response


def _client_parameters(prepay_id: str, keys: AccountKeys) -> dict[str, str]:
    """The parameters for WeixinJSBridge; the signature covers appId, timeStamp, nonceStr and package, a line each."""
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
    return untrusted(f"the answer is about something else: {name} does not fit")


def _trade_result(response: WeChatPayResponse, reference: str, keys: AccountKeys) -> TradeResult:
    if read_text(response.fields, "out_trade_no") != reference:
        raise _mismatch("out_trade_no")
    if problem := account_problem(response.fields, keys.config):
        raise _mismatch(problem.removeprefix("wrong_"))
    trade_state = read_text(response.fields, "trade_state")
    state = _STATES.get(trade_state, TradeState.UNKNOWN)
    amount = read_object(response.fields, "amount")
    total = read_fen(amount, "total")
    if state is TradeState.PAID and total is None:
        raise _mismatch("amount.total")
    return TradeResult(
        state=state,
        provider_reference=read_text(response.fields, "transaction_id"),
        amount=total,
        currency=read_text(amount, "currency")[:3] or CURRENCY,
        paid_at=read_time(response.fields, "success_time"),
        has_refunds=trade_state == _REFUNDED,
        raw=response.raw,
    )


def _with_refunds(paid: TradeResult, reference: str, keys: AccountKeys, gateway: Gateway) -> TradeResult:
    """The same result, REFUNDED where the whole sum went back.

    WeChat Pay lists no refunds of an order, each is queried by its own number (docs/merchant/apis/refund). The order's
    number is the only one that can be known here: it is that of a refund which was made without another one. That it
    cannot be queried changes nothing about the payment.
    """
    try:
        response = get(f"{_REFUNDS}/{quote(reference, safe='')}", keys, gateway)
    except OutsideError:
        return paid
    fields = response.fields
    is_ours = response.ok and read_text(fields, "out_trade_no") == reference
    if not is_ours or read_text(fields, "status") != "SUCCESS" or _refunded(response) != paid.amount:
        return paid
    return replace(paid, state=TradeState.REFUNDED, refunded_total=paid.amount)


def _refund_content(refund: RefundInstruction) -> dict[str, Any]:
    content: dict[str, Any] = {
        "out_trade_no": refund.reference,
        "out_refund_no": refund.refund_reference,
        "reason": _cut(refund.reason, _REASON_BYTES),
        "notify_url": refund.notify_url,
        "amount": {
            "refund": fen(refund.amount),
            "total": fen(refund.payment_amount),
            "currency": refund.currency,
        },
    }
    return {name: value for name, value in content.items() if value}


def _refund_result(response: WeChatPayResponse, refund: RefundInstruction) -> RefundResult:
    wanted = {"out_refund_no": refund.refund_reference, "out_trade_no": refund.reference}
    for name, value in wanted.items():
        if read_text(response.fields, name) != value:
            raise _mismatch(name)
    state = _REFUND_STATES.get(read_text(response.fields, "status"))
    amount = _refunded(response)
    if state is None or amount != refund.amount:
        raise _mismatch("status" if state is None else "amount.refund")
    return RefundResult(
        state=state,
        refund_reference=refund.refund_reference,
        amount=amount,
        detail="" if state is RefundState.SUCCEEDED else read_text(response.fields, "status"),
        raw=response.raw,
    )


def _refunded(response: WeChatPayResponse) -> Decimal | None:
    return read_fen(read_object(response.fields, "amount"), "refund")


def _refused_refund_result(response: WeChatPayResponse, refund: RefundInstruction) -> RefundResult:
    """The FAILED result of a business refusal. Raises `OutsideError` for any other refusal."""
    error = refusal_error(response)
    if error.code != "provider_refused":
        raise error
    return RefundResult(
        state=RefundState.FAILED,
        refund_reference=refund.refund_reference,
        amount=refund.amount,
        detail=refusal_text(response),
        raw=response.raw,
    )
