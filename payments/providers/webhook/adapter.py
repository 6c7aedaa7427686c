"""The adapter of the documented webhook form: Standard Webhooks 1.0.0, HMAC-SHA256, JSON.

Any provider that follows docs/adding-a-provider.md needs no code of its own. Our calls to it are signed in the same way
with the account's current secret. Its responses need not be signed, so its URLs must be https.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ordersite.lib.crypto import new_token
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply, is_private_enough
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.lib.strict_json import loads_object
from ordersite.lib.webhooks.signature import HEADERS, secret_bytes, signed_headers
from ordersite.outside_accounts.files import missing_keys
from payments.providers.answers import decode_reply
from payments.providers.errors import REJECTIONS, UNREADABLE, Rejected
from payments.providers.interface import Provider
from payments.providers.responses import FAILURE_STATUS, NotificationResponse
from payments.providers.types import (
    AccountKeys,
    Attempt,
    ParsedNotification,
    PaymentPage,
    RawNotification,
    RefundInstruction,
    RefundResult,
    RefundState,
    TradeResult,
    TradeState,
)
from payments.providers.values import CURRENCY, evidence, write_amount
from payments.providers.webhook.notification import (
    account_secrets,
    parse_notification,
    read_money,
    read_text,
    read_time,
)
from payments.providers.webhook.signature import check_signature

_URL_KEYS = ("pay_url", "query_url", "close_url", "refund_url")
_STATES = {
    "pending": TradeState.PENDING,
    "succeeded": TradeState.PAID,
    "closed": TradeState.CLOSED,
    "not_found": TradeState.NOT_FOUND,
    "refunded": TradeState.REFUNDED,
}
_REFUND_STATES = {
    "succeeded": RefundState.SUCCEEDED,
    "processing": RefundState.PROCESSING,
    "failed": RefundState.FAILED,
    "not_found": RefundState.NOT_DONE,
}


class Webhook(Provider):
    name = "webhook"
    label = gettext_lazy("Signed webhook")
    secret_keys = ("secret",)
    optional_config_keys = _URL_KEYS
    optional_secret_keys = ("previous_secrets",)
    signature_headers = HEADERS

    def check(self, keys: AccountKeys) -> list[str]:
        """The account's problems, as far as they can be found without calling the provider."""
        problems = missing_keys(self, keys)
        for secret in filter(None, account_secrets(keys)):
            try:
                secret_bytes(secret)
            except ValueError:
                problems.append(_("A secret must be whsec_ followed by the base64 of 24 to 64 bytes."))
        for name in _URL_KEYS:
            problems += address_problems(name, keys.config[name]) if keys.config.get(name) else []
        return problems

    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Check and parse a notification. Raises `Rejected`."""
        return parse_notification(call, keys)

    def success(self) -> NotificationResponse:
        return NotificationResponse(204, "application/json", b"")

    def failure(self, code: str) -> NotificationResponse:
        text = str(REJECTIONS.get(code, code))
        body = json.dumps({"code": code, "message": text}, ensure_ascii=False).encode()
        return NotificationResponse(FAILURE_STATUS.get(code, 400), "application/json", body)

    def has_payment_page(self, keys: AccountKeys) -> bool:
        return bool(keys.config.get("pay_url"))

    def can_query(self, keys: AccountKeys) -> bool:
        return bool(keys.config.get("query_url"))

    def can_close(self, keys: AccountKeys) -> bool:
        return bool(keys.config.get("close_url"))

    def can_refund(self, keys: AccountKeys) -> bool:
        return bool(keys.config.get("refund_url"))

    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """Request a payment page at `pay_url`. Raises `OutsideError`.

        The result is empty where the account has no `pay_url`.
        """
        if not self.has_payment_page(keys):
            return PaymentPage()
        body = {
            "reference": attempt.reference,
            "amount": write_amount(attempt.amount),
            "currency": attempt.currency,
            "subject": attempt.subject,
            "expires_at": attempt.expires_at.astimezone(UTC).isoformat(),
            "notify_url": attempt.notify_url,
            "return_url": attempt.return_url,
        }
        response, raw = _send("pay_url", body, keys, gateway)
        pay_url = response.get("pay_url")
        if not isinstance(pay_url, str) or not is_private_enough(pay_url):
            raise _unusable("pay_url is not an https address")
        return PaymentPage(pay_url=pay_url, raw=raw)

    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Query a payment, where `can_query`. Raises `OutsideError`."""
        return _trade_result(
            *_send("query_url", {"reference": attempt.reference}, keys, gateway), attempt.reference
        )

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Close a payment, where `can_close`. Raises `OutsideError`."""
        return _trade_result(
            *_send("close_url", {"reference": attempt.reference}, keys, gateway), attempt.reference
        )

    def refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Request a refund, where `can_refund`. Raises `OutsideError`.

        The provider must treat a repeated `refund_reference` as the same refund.
        """
        body = {
            "reference": refund.reference,
            "refund_reference": refund.refund_reference,
            "amount": write_amount(refund.amount),
            "reason": refund.reason,
        }
        return _refund_result(*_send("refund_url", body, keys, gateway), refund)

    def query_refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Repeat the refund request, which returns the state and moves no money again. Raises `OutsideError`.

        The webhook form has no query for refunds.
        """
        return self.refund(refund, keys, gateway)


def _unusable(detail: str, code: str = "provider_answer_refused") -> OutsideError:
    return OutsideError(
        code,
        gettext_lazy("The provider's answer cannot be used: %(detail)s"),
        retryable=True,
        outcome_known=False,
        detail=detail[:200],
    )


def _send(
    url_key: str, content: Mapping[str, str], keys: AccountKeys, gateway: Gateway
) -> tuple[dict[str, Any], str]:
    """Send a signed request; the parsed response and its text as evidence. Raises `OutsideError`."""
    url = keys.config.get(url_key, "")
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        key = secret_bytes(keys.secret("secret"))
    except ValueError as error:
        raise OutsideError(
            "provider_misconfigured", gettext_lazy("The account's secret is not usable."), retryable=False
        ) from error
    headers = signed_headers(key, body, message_id=f"msg_{new_token()}", at=datetime.now(UTC))
    reply = gateway.post(url, content=body, headers=headers)
    _check_answer(reply, keys)
    return _read(reply)


def _check_answer(reply: Reply, keys: AccountKeys) -> None:
    """Raises `OutsideError` for a bad signature; a response without one is accepted."""
    if "webhook-signature" not in reply.headers:
        return
    try:
        check_signature(RawNotification(reply.headers, reply.body, datetime.now(UTC)), account_secrets(keys))
    except Rejected as error:
        raise _unusable(str(error)) from error


def _read(reply: Reply) -> tuple[dict[str, Any], str]:
    if not 200 <= reply.status < 300:
        plain_no = 400 <= reply.status < 500 and reply.status not in (408, 429)
        raise OutsideError(
            "provider_http_error",
            gettext_lazy("The provider answered with HTTP status %(status)s."),
            retryable=True,
            outcome_known=plain_no,
            status=reply.status,
        )
    try:
        text = decode_reply(reply).text
        return loads_object(text), evidence(text)
    except ValueError as error:
        raise _unusable(f"the answer {error}", UNREADABLE) from error


def _trade_result(response: Mapping[str, Any], raw: str, reference: str) -> TradeResult:
    try:
        state = _STATES.get(read_text(response, "status"), TradeState.UNKNOWN)
        amount = read_money(response, "amount")
        refunded = read_money(response, "refunded_amount")
        if read_text(response, "reference") != reference:
            raise ValueError("reference is another one")
        if state in (TradeState.PAID, TradeState.REFUNDED) and amount is None:
            raise ValueError("amount is missing")
        return TradeResult(
            state=state,
            provider_reference=read_text(response, "provider_reference"),
            amount=amount,
            currency=read_text(response, "currency", longest=3) or CURRENCY,
            paid_at=read_time(response, "paid_at"),
            refunded_total=amount if refunded is None and state is TradeState.REFUNDED else refunded,
            raw=raw,
        )
    except ValueError as error:
        raise _unusable(str(error)) from error


def _refund_result(response: Mapping[str, Any], raw: str, refund: RefundInstruction) -> RefundResult:
    try:
        state = _REFUND_STATES.get(read_text(response, "status"))
        if state is None or read_text(response, "refund_reference") != refund.refund_reference:
            raise ValueError("status or refund_reference")
        return RefundResult(
            state=state,
            refund_reference=refund.refund_reference,
            amount=read_money(response, "amount"),
            refunded_total=read_money(response, "refunded_amount"),
            detail=read_text(response, "detail", longest=200),
            raw=raw,
        )
    except ValueError as error:
        raise _unusable(str(error)) from error
