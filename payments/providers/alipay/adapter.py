"""Alipay (支付宝), page pay, RSA2 in key mode and in certificate mode."""

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
from payments.providers.alipay.gateway import AlipayResponse, call, page_address, refused, signed_params
from payments.providers.alipay.notification import parse_notification
from payments.providers.alipay.refunds import (
    ASK_AFTER_REFUND,
    NO_SUCH_REFUND,
    refund_done,
    refund_found,
    refund_refused,
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
    RefundOrder,
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
# Closing came too late, or was done before: the query says which.
_ASK_AFTER_CLOSE = frozenset(
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
    # One or the other, which `check` sees to: Alipay's public key, or three certificates.
    optional_secret_keys = ("alipay_public_key", *CERTIFICATE_KEYS)
    # Alipay takes refunds of one trade no closer together (opendocs.alipay.com, alipay.trade.refund).
    refund_gap = timedelta(seconds=3)

    def check(self, keys: AccountKeys) -> list[str]:
        """What is wrong with the account, as far as can be seen without asking Alipay."""
        return missing_keys(self, keys) or check_account(keys)

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Raises `Rejected`."""
        return parse_notification(call, keys)

    def success(self) -> NotificationResponse:
        # Exactly these seven bytes; anything else counts as not received.
        return NotificationResponse(200, "text/plain", b"success")

    def failure(self, code: str) -> NotificationResponse:
        # Alipay reads the body only; the status is for proxies and for people.
        return NotificationResponse(FAILURE_STATUS.get(code, 400), "text/plain", b"fail")

    def can_query(self, keys: AccountKeys) -> bool:
        return True

    def can_close(self, keys: AccountKeys) -> bool:
        return True

    def can_refund(self, keys: AccountKeys) -> bool:
        return True

    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """No network: the signed address is what the buyer's browser takes to Alipay."""
        content = {
            "out_trade_no": attempt.reference,
            "total_amount": write_amount(attempt.amount),
            "subject": _SUBJECT_BARRED.sub(" ", attempt.subject)[:_SUBJECT_LENGTH] or attempt.reference,
            "product_code": "FAST_INSTANT_TRADE_PAY",
            "time_expire": write_beijing(attempt.expires_at),
        }
        addresses = {"notify_url": attempt.notify_url, "return_url": attempt.return_url}
        params = signed_params("alipay.trade.page.pay", content, keys, extra=addresses)
        return PaymentPage(pay_url=page_address(params, keys), raw=params["biz_content"])

    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """NOT_FOUND is normal until the buyer has logged in at the cashier. Raises `OutsideError`."""
        answer = call("alipay.trade.query", {"out_trade_no": attempt.reference}, keys, gateway)
        if answer.sub_code == _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=answer.raw)
        if not answer.ok:
            raise refused(answer)
        return _trade(answer, attempt.reference)

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Asks when Alipay says that there is nothing left to close. Raises `OutsideError`."""
        answer = call("alipay.trade.close", {"out_trade_no": attempt.reference}, keys, gateway)
        if answer.sub_code == _NOT_FOUND:
            return TradeResult(state=TradeState.NOT_FOUND, raw=answer.raw)
        if answer.sub_code in _ASK_AFTER_CLOSE:
            return self.query(attempt, keys, gateway)
        if not answer.ok:
            raise refused(answer)
        _check_reference(answer, attempt.reference)
        return TradeResult(
            state=TradeState.CLOSED, provider_reference=answer.text("trade_no"), raw=answer.raw
        )

    def refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Done only when fund_change is Y; a repeat of the same number moves no money, so then we ask."""
        content = {
            "out_trade_no": order.reference,
            "refund_amount": write_amount(order.amount),
            "out_request_no": order.refund_reference,
            "refund_reason": order.reason[:_SUBJECT_LENGTH],
        }
        answer = call("alipay.trade.refund", content, keys, gateway)
        if not answer.ok:
            refusal = refund_refused(answer, order)
            asked = (
                self.query_refund(order, keys, gateway) if answer.sub_code in ASK_AFTER_REFUND else refusal
            )
            return refusal if asked.state is RefundState.NOT_DONE else asked
        _check_reference(answer, order.reference)
        if answer.text("fund_change") != "Y":
            return self.query_refund(order, keys, gateway)
        return refund_done(answer, order)

    def query_refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Code 10000 says only that the question was understood; refund_status says whether money moved."""
        content = {"out_trade_no": order.reference, "out_request_no": order.refund_reference}
        answer = call("alipay.trade.fastpay.refund.query", content, keys, gateway)
        if not answer.ok and answer.sub_code not in NO_SUCH_REFUND:
            raise refused(answer)
        if answer.text("out_request_no") not in ("", order.refund_reference):
            raise response_mismatch("out_request_no")
        return refund_found(answer, order)

    def can_bill(self, keys: AccountKeys) -> bool:
        return True

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """The day's acquiring trades as Alipay's zip. Raises `OutsideError`."""
        return fetch_trade_bill(day, keys, gateway, target)


def _check_reference(answer: AlipayResponse, reference: str) -> None:
    if answer.text("out_trade_no") != reference:
        raise response_mismatch("out_trade_no")


def _trade(answer: AlipayResponse, reference: str) -> TradeResult:
    _check_reference(answer, reference)
    amount = read_amount(answer.text("total_amount"))
    state = _STATES.get(answer.text("trade_status"), TradeState.UNKNOWN)
    # A trade closed without payment has no date on which money was sent; a fully refunded one keeps it.
    if state is TradeState.CLOSED and answer.text("send_pay_date"):
        state = TradeState.REFUNDED
    if state in (TradeState.PAID, TradeState.REFUNDED) and amount is None:
        raise response_mismatch("total_amount")
    return TradeResult(
        state=state,
        provider_reference=answer.text("trade_no"),
        amount=amount,
        paid_at=read_beijing(answer.text("send_pay_date")),
        refunded_total=amount if state is TradeState.REFUNDED else None,
        raw=answer.raw,
    )
