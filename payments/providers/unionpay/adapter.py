"""UnionPay (银联全渠道 ACP 5.1.0), gateway payment: the buyer's browser posts a signed form to UnionPay's cashier.

An unpaid order cannot be closed there; it ends by itself at payTimeout, after which an answer is final.
Source: open.unionpay.com, frontTransReq / queryTrans / backTransReq.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from django.utils.translation import gettext_lazy

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from ordersite.outside_accounts.files import missing_keys
from payments.providers.errors import response_mismatch
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
from payments.providers.unionpay.bill import fetch_clearing_file
from payments.providers.unionpay.gateway import (
    BUSY,
    MISCONFIGURED,
    NOT_FOUND,
    REPEATED,
    UnionPayResponse,
    address_of,
    call,
    refused,
    signed_request,
)
from payments.providers.unionpay.notification import (
    DONE,
    PAY,
    REFUND,
    UNKNOWN_YET,
    parse_notification,
    read_currency,
    read_fen,
    traded_at,
    write_compact,
    write_fen,
)
from payments.providers.unionpay.self_check import check_account

_YUAN = "156"
_GATEWAY_PAYMENT, _ANY_PRODUCT = "000201", "000000"
_BROWSER = "07"
_QUERY = "00"


class UnionPay(Provider):
    name = "unionpay"
    label = gettext_lazy("UnionPay")
    config_keys = ("mer_id", "gateway_url")
    secret_keys = ("sign_cert", "sign_key", "root_cert", "middle_cert")
    optional_config_keys = ("expected_cn", "file_url")

    def check(self, keys: AccountKeys) -> list[str]:
        """What is wrong with the account, as far as can be seen without asking UnionPay."""
        return missing_keys(self, keys) or check_account(keys)

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Raises `Rejected`."""
        return parse_notification(call, keys)

    def success(self) -> NotificationResponse:
        # The status alone counts (cnblogs.com/jiaoyixin/p/13409188).
        return NotificationResponse(200, "text/plain", b"ok")

    def failure(self, code: str) -> NotificationResponse:
        return NotificationResponse(FAILURE_STATUS.get(code, 400), "text/plain", b"fail")

    def can_query(self, keys: AccountKeys) -> bool:
        return True

    def can_refund(self, keys: AccountKeys) -> bool:
        return True

    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """No network: the form is for the buyer's browser. The same attempt again is the same order there."""
        fields = {
            "txnType": PAY,
            "txnSubType": "01",
            "bizType": _GATEWAY_PAYMENT,
            "channelType": _BROWSER,
            "orderId": attempt.reference,
            "txnTime": write_compact(attempt.created_at),
            "txnAmt": write_fen(attempt.amount),
            "currencyCode": _YUAN,
            "orderDesc": attempt.subject[:32],
            "payTimeout": write_compact(attempt.expires_at),
            "frontUrl": attempt.return_url,
            "backUrl": attempt.notify_url,
        }
        return PaymentPage(action=address_of(keys, "frontTransReq.do"), form=signed_request(fields, keys))

    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """NOT_FOUND is normal until the buyer has come to the cashier. Raises `OutsideError`."""
        answer = _look(attempt.reference, attempt.created_at, keys, gateway)
        if answer.code == NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=answer.raw)
        if not answer.is_taken:
            raise refused(answer)
        return _trade(answer, attempt)

    def refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """«Taken on» is all that comes back at once; the notification or `query_refund` says how it went."""
        if not order.provider_reference:
            raise _no_query_id()
        fields = {
            "txnType": REFUND,
            "txnSubType": "00",
            "bizType": _GATEWAY_PAYMENT,
            "channelType": _BROWSER,
            "orderId": order.refund_reference,
            "txnTime": write_compact(order.requested_at),
            "txnAmt": write_fen(order.amount),
            "origQryId": order.provider_reference,
            "backUrl": order.notify_url,
            "reqReserved": order.reference,
        }
        answer = call("backTransReq.do", fields, keys, gateway)
        if answer.code == REPEATED:
            return self.query_refund(order, keys, gateway)
        if answer.code in BUSY | MISCONFIGURED:
            raise refused(answer)
        if answer.is_taken or answer.code in UNKNOWN_YET:
            return _refund(answer, order, RefundState.PROCESSING)
        return _refund(answer, order, RefundState.FAILED)

    def query_refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Raises `OutsideError`."""
        answer = _look(order.refund_reference, order.requested_at, keys, gateway)
        if answer.code == NOT_FOUND:
            return _refund(answer, order, RefundState.NOT_DONE)
        if not answer.is_taken:
            raise refused(answer)
        result = answer.text("origRespCode")
        if result in UNKNOWN_YET:
            return _refund(answer, order, RefundState.PROCESSING)
        if result not in DONE:
            return _refund(answer, order, RefundState.FAILED)
        same = read_fen(answer.text("txnAmt")) == order.amount
        return _refund(answer, order, RefundState.SUCCEEDED if same else RefundState.ABNORMAL)

    def can_bill(self, keys: AccountKeys) -> bool:
        return bool(keys.config.get("file_url"))

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """The file of the clearing day as UnionPay's zip, where `can_bill`. Raises `OutsideError`."""
        return fetch_clearing_file(day, keys, gateway, target)


def _look(number: str, sent_at: datetime, keys: AccountKeys, gateway: Gateway) -> UnionPayResponse:
    """Ask for one transaction, which our number and the time we gave it name together."""
    fields = {
        "txnType": _QUERY,
        "txnSubType": "00",
        "bizType": _ANY_PRODUCT,
        "orderId": number,
        "txnTime": write_compact(sent_at),
    }
    return call("queryTrans.do", fields, keys, gateway)


def _trade(answer: UnionPayResponse, attempt: Attempt) -> TradeResult:
    """A payment that failed may be tried again until payTimeout; only then is a «no» the last word."""
    result, number = answer.text("origRespCode"), answer.text("queryId")
    if result not in DONE:
        over = result not in UNKNOWN_YET and datetime.now(UTC) > attempt.expires_at
        return TradeResult(state=TradeState.CLOSED if over else TradeState.PENDING, raw=answer.raw)
    amount = read_fen(answer.text("txnAmt"))
    if amount is None or not number:
        raise response_mismatch("txnAmt" if amount is None else "queryId")
    return TradeResult(
        state=TradeState.PAID,
        provider_reference=number,
        amount=amount,
        currency=read_currency(answer.text("currencyCode")),
        paid_at=traded_at(answer.fields),
        raw=answer.raw,
    )


def _refund(answer: UnionPayResponse, order: RefundOrder, state: RefundState) -> RefundResult:
    result = f"{answer.text('origRespCode')} {answer.text('origRespMsg')}".strip()
    return RefundResult(
        state=state,
        refund_reference=order.refund_reference,
        amount=read_fen(answer.text("txnAmt")) or order.amount,
        detail="" if state is RefundState.SUCCEEDED else (result or answer.words)[:200],
        raw=answer.raw,
    )


def _no_query_id() -> OutsideError:
    return OutsideError(
        "provider_refused",
        gettext_lazy("UnionPay's number of the payment (queryId) is not known here; refund it at UnionPay."),
        retryable=False,
    )
