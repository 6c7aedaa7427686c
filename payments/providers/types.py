"""What a payment provider's adapter is: dataclasses in, dataclasses out.

An adapter knows its provider's words and nothing of ours beyond this file: no models, no tasks, no settings.
Amounts are `Decimal` yuan with two places, times are aware UTC, `reference` is our number for one attempt to
collect money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from payments.providers.values import CURRENCY

# What one name of an account file may hold: a text, several, or several by name.
Secret = str | list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """One account's file, split: `config` may be shown, `secrets` never.

    `version` changes when either does.
    """

    provider: str
    slug: str
    config: Mapping[str, str]
    secrets: Mapping[str, Secret] = field(repr=False)
    version: str = ""

    def secret(self, name: str) -> str:
        """A single secret; empty when there is none of this name."""
        value = self.secrets.get(name, "")
        return value if isinstance(value, str) else ""

    def secret_list(self, name: str) -> list[str]:
        """A secret that may be several; a single text counts as a list of one."""
        value = self.secrets.get(name) or []
        return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []

    def secret_map(self, name: str) -> Mapping[str, str]:
        """Secrets by name, such as keys by their serial number; empty when there is none of this kind."""
        value = self.secrets.get(name, {})
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class RawNotification:
    """An HTTP call as it arrived; header names in lower case, body untouched, `received_at` in UTC."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime


class UpdateKind(StrEnum):
    """REFUND_FAILED: a refund that was taken on has ended without money moving. REFUND_ABNORMAL: it hangs at the
    provider until a person puts it right there."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    REFUND_ABNORMAL = "refund_abnormal"
    CLOSED = "closed"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedNotification:
    """What a call with a good signature says. The caller still compares it with our own records.

    `event_id`: the same for every retry of one notification, at most 200 characters, unique within the
    account. `amount`: the whole payment's amount, also in a refund notice; None when absent or not readable
    as an amount, which must never pay. `refund_amount`: of this one refund, None where the provider tells
    only the sum. `refunded_total`: of all refunds so far, None where it keeps no sum. `full_refund`: the
    provider itself says that nothing is left; where it is False, compare the sums. `account_problem`: empty,
    or the name of the account fact that does not fit (`wrong_app_id`, `wrong_seller_id`). `state`: the
    provider's own word, for display.
    """

    event_id: str
    kind: UpdateKind
    reference: str
    provider_reference: str = ""
    amount: Decimal | None = None
    currency: str = CURRENCY
    occurred_at: datetime | None = None
    refund_reference: str = ""
    refund_amount: Decimal | None = None
    refunded_total: Decimal | None = None
    full_refund: bool = False
    account_problem: str = ""
    state: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to collect money. After `expires_at` the provider itself must take no money.

    `openid` names the buyer to WeChat, for payments inside its app.
    """

    reference: str
    amount: Decimal
    subject: str
    created_at: datetime
    expires_at: datetime
    notify_url: str
    return_url: str = ""
    currency: str = CURRENCY
    provider_reference: str = ""
    openid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPage:
    """Where the buyer pays: an address to open, a text for a QR code, or a form that his browser posts to `action`.

    None of them where the account has no such call; `app_params` are of `PaysInApp`. With a form, `start` calls nobody
    and gives the same order each time, since it is asked again whenever the buyer opens our page with that form.
    """

    pay_url: str = ""
    code_url: str = ""
    action: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    app_params: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""


class TradeState(StrEnum):
    """PENDING: can still be paid. REFUNDED: was paid, all of it went back. UNKNOWN: the word is new to us.

    NOT_FOUND is no proof that nobody will pay: Alipay knows a trade only once the buyer has opened the
    cashier.
    """

    PENDING = "pending"
    PAID = "paid"
    CLOSED = "closed"
    NOT_FOUND = "not_found"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """The answer to a question about one attempt; `raw` is bounded evidence text.

    PAID and REFUNDED always come with an amount. `refunded_total` None: the provider did not say.
    """

    state: TradeState
    provider_reference: str = ""
    amount: Decimal | None = None
    currency: str = CURRENCY
    paid_at: datetime | None = None
    refunded_total: Decimal | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """Money to give back. `refund_reference` is the idempotency key: a retry must carry the same.

    `payment_amount` is the whole amount of the payment, `paid_at` (UTC) when it came; `requested_at` stays the same
    over retries.
    """

    reference: str
    refund_reference: str
    amount: Decimal
    payment_amount: Decimal
    requested_at: datetime
    paid_at: datetime | None = None
    notify_url: str = ""
    reason: str = ""
    currency: str = CURRENCY
    provider_reference: str = ""


class RefundState(StrEnum):
    """NOT_DONE: the provider knows no such refund, or not as done.

    Ask or order again with the same number. ABNORMAL: not final; a person puts it right at the provider.
    """

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    ABNORMAL = "abnormal"
    FAILED = "failed"
    NOT_DONE = "not_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundResult:
    state: RefundState
    refund_reference: str
    amount: Decimal | None = None
    refunded_total: Decimal | None = None
    detail: str = ""
    raw: str = ""


class BillState(StrEnum):
    """NOT_READY: ask again later. EMPTY: the provider says that the day had no trades."""

    READY = "ready"
    NOT_READY = "not_ready"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillResult:
    """`file_name` is the provider's own, with the ending that tells the form (csv, csv.gz, zip)."""

    state: BillState
    file_name: str = ""
    detail: str = ""
