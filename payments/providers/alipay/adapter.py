"""The adapter of Alipay (支付宝): page pay, RSA2 in key mode and in certificate mode."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

from django.utils.translation import gettext_lazy

from ordersite.lib.china_time import read_beijing, write_beijing
from ordersite.lib.http import Gateway
from ordersite.outside_accounts.files import missing_keys
from payments.providers.alipay.bill import fetch_trade_bill
from payments.providers.alipay.certificates import CERTIFICATE_KEYS
from payments.providers.alipay.gateway import AlipayResponse, address_with, call, refusal_error, signed_params
from payments.providers.alipay.notification import parse_notification
from payments.providers.alipay.refunds import (
    NO_SUCH_REFUND,
    QUERY_AFTER_REFUND,
    done_refund_result,
    found_refund_result,
    refused_refund_result,
)
from payments.providers.alipay.self_check import check_account
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
from payments.providers.values import read_amount, write_amount

# alipay.trade.page.pay takes up to 256 characters and refuses these three in a subject.
_SUBJECT_LENGTH = 256
_SUBJECT_BARRED = re.compile(r"[/=&]")
_NOT_FOUND = "ACQ.TRADE_NOT_EXIST"
# Closing was too late, or was done before: a query shows which.
_QUERY_AFTER_CLOSE = frozenset(
    ("ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID")
)
_STATES = {
    "WAIT_BUYER_PAY": TradeState.PENDING,
    "TRADE_SUCCESS": TradeState.PAID,
    "TRADE_FINISHED": TradeState.PAID,
    "TRADE_CLOSED": TradeState.CLOSED,
}


class Alipay(Provider):
    name = "alipay"
    label = gettext_lazy("Alipay")
    config_keys = ("app_id", "seller_id", "gateway_url")
    secret_keys = ("app_private_key",)
    # Either Alipay's public key or the three certificates; `check` enforces it.
    optional_secret_keys = ("alipay_public_key", *CERTIFICATE_KEYS)
    # Alipay's shortest interval between two refunds of one trade (opendocs.alipay.com, alipay.trade.refund).
    refund_gap = timedelta(seconds=3)
    # Signing the page anew costs no call, and its timestamp is then of this hour.
    page_lifetime = timedelta(hours=1)
    signature_headers = frozenset(("content-type",))

    def check(self, keys: AccountKeys) -> list[str]:
        """The account's problems, as far as they can be found without calling Alipay."""
        return missing_keys(self, keys) or check_account(keys)

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Check and parse a notification. Raises `Rejected`."""
        return parse_notification(call, keys)

    def success(self) -> NotificationResponse:
        # Exactly these seven bytes; anything else counts as not received.
        return NotificationResponse(200, "text/plain", b"success")

    def failure(self, code: str) -> NotificationResponse:
        # Alipay reads only the body; the status is for proxies and people.
        return NotificationResponse(FAILURE_STATUS.get(code, 400), "text/plain", b"fail")

    def can_query(self, keys: AccountKeys) -> bool:
        return True

    def can_close(self, keys: AccountKeys) -> bool:
        return True

    def can_refund(self, keys: AccountKeys) -> bool:
        return True

    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """Sign the URL that the buyer's browser opens at Alipay. Makes no network call."""
        content = {
            "out_trade_no": attempt.reference,
            "total_amount": write_amount(attempt.amount),
            "subject": _SUBJECT_BARRED.sub(" ", attempt.subject)[:_SUBJECT_LENGTH] or attempt.reference,
            "product_code": "FAST_INSTANT_TRADE_PAY",
            "time_expire": write_beijing(attempt.expires_at),
        }
        addresses = {"notify_url": attempt.notify_url, "return_url": attempt.return_url}
        params = signed_params("alipay.trade.page.pay", content, keys, extra=addresses)
        return PaymentPage(pay_url=address_with(params, keys), raw=params["biz_content"])

    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Query a trade; NOT_FOUND until the buyer has logged in at the cashier. Raises `OutsideError`."""
        response = call("alipay.trade.query", {"out_trade_no": attempt.reference}, keys, gateway)
        if response.sub_code == _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=response.raw)
        if not response.ok:
            raise refusal_error(response)
        return _trade_result(response, attempt.reference)

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Close a trade; queries it when Alipay reports nothing left to close. Raises `OutsideError`."""
        response = call("alipay.trade.close", {"out_trade_no": attempt.reference}, keys, gateway)
        if response.sub_code == _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=response.raw)
        if response.sub_code in _QUERY_AFTER_CLOSE:
            return self.query(attempt, keys, gateway)
        if not response.ok:
            raise refusal_error(response)
        _check_reference(response, attempt.reference)
        return TradeResult(
            state=TradeState.CLOSED, provider_reference=response.text("trade_no"), raw=response.raw
        )

    def refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Refund a trade; money moved only where fund_change is Y. Raises `OutsideError`.

        A repeat of the same number moves no money and has no Y, so the refund is then queried.
        """
        content = {
            "out_trade_no": refund.reference,
            "refund_amount": write_amount(refund.amount),
            "out_request_no": refund.refund_reference,
            "refund_reason": refund.reason[:_SUBJECT_LENGTH],
        }
        response = call("alipay.trade.refund", content, keys, gateway)
        if not response.ok:
            refusal = refused_refund_result(response, refund)
            queried = (
                self.query_refund(refund, keys, gateway)
                if response.sub_code in QUERY_AFTER_REFUND
                else refusal
            )
            return refusal if queried.state is RefundState.NOT_DONE else queried
        _check_reference(response, refund.reference)
        if response.text("fund_change") != "Y":
            return self.query_refund(refund, keys, gateway)
        return done_refund_result(response, refund)

    def query_refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Query a refund. Raises `OutsideError`.

        Code 10000 means only that the query was understood; refund_status shows whether money moved.
        """
        content = {"out_trade_no": refund.reference, "out_request_no": refund.refund_reference}
        response = call("alipay.trade.fastpay.refund.query", content, keys, gateway)
        if not response.ok and response.sub_code not in NO_SUCH_REFUND:
            raise refusal_error(response)
        if response.text("out_request_no") not in ("", refund.refund_reference):
            raise response_mismatch("out_request_no")
        return found_refund_result(response, refund)

    def can_bill(self, keys: AccountKeys) -> bool:
        return True

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """Fetch the day's acquiring trades as Alipay's zip file. Raises `OutsideError`."""
        return fetch_trade_bill(day, keys, gateway, target)


def _check_reference(response: AlipayResponse, reference: str) -> None:
    if response.text("out_trade_no") != reference:
        raise response_mismatch("out_trade_no")


def _trade_result(response: AlipayResponse, reference: str) -> TradeResult:
    _check_reference(response, reference)
    amount = read_amount(response.text("total_amount"))
    refunded = read_amount(response.text("refund_fee"))
    state = _STATES.get(response.text("trade_status"), TradeState.UNKNOWN)
    # A trade closed without payment has no date on which money was sent; a fully refunded one keeps it.
    if state is TradeState.CLOSED and (response.text("send_pay_date") or refunded):
        state = TradeState.REFUNDED
    if state in (TradeState.PAID, TradeState.REFUNDED) and amount is None:
        raise response_mismatch("total_amount")
    return TradeResult(
        state=state,
        provider_reference=response.text("trade_no"),
        amount=amount,
        paid_at=read_beijing(response.text("send_pay_date")),
        refunded_total=amount if state is TradeState.REFUNDED else refunded,
        raw=response.raw,
    )
