"""The adapter of UnionPay (银联全渠道 ACP 5.1.0), gateway payment.

The buyer's browser posts a signed form to UnionPay's cashier. An unpaid order cannot be closed there; it ends by itself
at payTimeout, after which the result of a query is final.
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
    RefundInstruction,
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
    refusal_error,
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
        """The account's problems, as far as they can be found without calling UnionPay."""
        return missing_keys(self, keys) or check_account(keys)

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Check and parse a notification. Raises `Rejected`."""
        return parse_notification(call, keys)

    def success(self) -> NotificationResponse:
        # UnionPay reads only the status (cnblogs.com/jiaoyixin/p/13409188).
        return NotificationResponse(200, "text/plain", b"ok")

    def failure(self, code: str) -> NotificationResponse:
        return NotificationResponse(FAILURE_STATUS.get(code, 400), "text/plain", b"fail")

    def can_query(self, keys: AccountKeys) -> bool:
        return True

    def can_refund(self, keys: AccountKeys) -> bool:
        return True

    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """Sign the form that the buyer's browser posts. Makes no network call.

        A second form of the same attempt is the same order at UnionPay.
        """
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
        """Query a payment; NOT_FOUND until the buyer has opened the cashier. Raises `OutsideError`."""
        response = _query_transaction(attempt.reference, attempt.created_at, keys, gateway)
        if response.code == NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=response.raw)
        if not response.is_accepted:
            raise refusal_error(response)
        return _trade_result(response, attempt)

    def refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Request a refund; the response is only an acceptance. Raises `OutsideError`.

        The notification or `query_refund` shows whether money moved.
        """
        if not refund.provider_reference:
            raise _no_query_id()
        fields = {
            "txnType": REFUND,
            "txnSubType": "00",
            "bizType": _GATEWAY_PAYMENT,
            "channelType": _BROWSER,
            "orderId": refund.refund_reference,
            "txnTime": write_compact(refund.requested_at),
            "txnAmt": write_fen(refund.amount),
            "origQryId": refund.provider_reference,
            "backUrl": refund.notify_url,
            "reqReserved": refund.reference,
        }
        response = call("backTransReq.do", fields, keys, gateway)
        if response.code == REPEATED:
            return self.query_refund(refund, keys, gateway)
        if response.code in BUSY | MISCONFIGURED:
            raise refusal_error(response)
        if response.is_accepted or response.code in UNKNOWN_YET:
            return _refund_result(response, refund, RefundState.PROCESSING)
        return _refund_result(response, refund, RefundState.FAILED)

    def query_refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Query a refund. Raises `OutsideError`."""
        response = _query_transaction(refund.refund_reference, refund.requested_at, keys, gateway)
        if response.code == NOT_FOUND:
            return _refund_result(response, refund, RefundState.NOT_DONE)
        if not response.is_accepted:
            raise refusal_error(response)
        result = response.text("origRespCode")
        if result in UNKNOWN_YET:
            return _refund_result(response, refund, RefundState.PROCESSING)
        if result not in DONE:
            return _refund_result(response, refund, RefundState.FAILED)
        same = read_fen(response.text("txnAmt")) == refund.amount
        return _refund_result(response, refund, RefundState.SUCCEEDED if same else RefundState.ABNORMAL)

    def can_bill(self, keys: AccountKeys) -> bool:
        return bool(keys.config.get("file_url"))

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """Fetch the file of the clearing day as UnionPay's zip, where `can_bill`. Raises `OutsideError`."""
        return fetch_clearing_file(day, keys, gateway, target)


def _query_transaction(
    number: str, sent_at: datetime, keys: AccountKeys, gateway: Gateway
) -> UnionPayResponse:
    """Query one transaction, which UnionPay identifies by our number and our `txnTime` together."""
    fields = {
        "txnType": _QUERY,
        "txnSubType": "00",
        "bizType": _ANY_PRODUCT,
        "orderId": number,
        "txnTime": write_compact(sent_at),
    }
    return call("queryTrans.do", fields, keys, gateway)


def _trade_result(response: UnionPayResponse, attempt: Attempt) -> TradeResult:
    """The result of a payment query; a failed payment may be tried again until payTimeout and is CLOSED only then."""
    result, number = response.text("origRespCode"), response.text("queryId")
    if result not in DONE:
        over = result not in UNKNOWN_YET and datetime.now(UTC) > attempt.expires_at
        return TradeResult(state=TradeState.CLOSED if over else TradeState.PENDING, raw=response.raw)
    amount = read_fen(response.text("txnAmt"))
    if amount is None or not number:
        raise response_mismatch("txnAmt" if amount is None else "queryId")
    return TradeResult(
        state=TradeState.PAID,
        provider_reference=number,
        amount=amount,
        currency=read_currency(response.text("currencyCode")),
        paid_at=traded_at(response.fields),
        raw=response.raw,
    )


def _refund_result(response: UnionPayResponse, refund: RefundInstruction, state: RefundState) -> RefundResult:
    result = f"{response.text('origRespCode')} {response.text('origRespMsg')}".strip()
    return RefundResult(
        state=state,
        refund_reference=refund.refund_reference,
        amount=read_fen(response.text("txnAmt")) or refund.amount,
        detail="" if state is RefundState.SUCCEEDED else (result or response.message)[:200],
        raw=response.raw,
    )


def _no_query_id() -> OutsideError:
    return OutsideError(
        "provider_refused",
        gettext_lazy("UnionPay's number of the payment (queryId) is not known here; refund it at UnionPay."),
        retryable=False,
    )
