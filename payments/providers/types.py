"""The dataclasses that adapters take and return.

Everything that crosses between an adapter and the rest of the product is one of these; an adapter imports no models,
no tasks and no settings. Amounts are `Decimal` yuan with two places, times are aware UTC, `reference` is our number
for one attempt to collect money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from payments.providers.values import CURRENCY

# The value of one key of an account file: a text, a list of texts, or texts by name.
Secret = str | list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The settings of one account: `config` may be shown, `secrets` never.

    `version` changes whenever one of the two changes. `fingerprint` names this state of both for the audit and the
    history, where it stays readable; it comes again with the same values, and reveals none.
    """

    provider: str
    slug: str
    config: Mapping[str, str]
    secrets: Mapping[str, Secret] = field(repr=False)
    version: str = ""
    fingerprint: str = ""

    def secret(self, name: str) -> str:
        """A secret that is one text; empty when the account has none of this name."""
        value = self.secrets.get(name, "")
        return value if isinstance(value, str) else ""

    def secret_list(self, name: str) -> list[str]:
        """A secret that is a list of texts; a single text counts as a list of one."""
        value = self.secrets.get(name) or []
        return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []

    def secret_map(self, name: str) -> Mapping[str, str]:
        """A secret that is texts by name, such as keys by serial number; empty when the account has none."""
        value = self.secrets.get(name, {})
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class RawNotification:
    """The HTTP request of a notification as it arrived.

    Header names are in lower case, the body is untouched, `received_at` is UTC.
    """

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime


class UpdateKind(StrEnum):
    """The kinds of payment update.

    PAID_REFUNDED: the payment was made and at least one refund of it exists. REFUND_FAILED: an accepted refund has
    ended and no money moved. REFUND_ABNORMAL: a refund is stuck at the provider until a person corrects it there.
    OTHER: no money moved. UNCLEAR: money may have moved, in a form that the adapter does not know.
    """

    PAYMENT = "payment"
    PAID_REFUNDED = "paid_refunded"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    REFUND_ABNORMAL = "refund_abnormal"
    CLOSED = "closed"
    OTHER = "other"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedNotification:
    """The content of a notification whose signature is good. The caller still compares it with our own records.

    `event_id`: the same for every retry of one notification, another one for other facts under the same message id; at
    most 200 characters, unique within the account. `amount`: the amount of the whole payment, in a refund's
    notification too; None when absent or not readable as an amount, and then it must never mark a payment as paid.
    `refund_amount`: the amount of this one refund, None where the provider sends only the sum. `refunded_total`: the
    sum of all refunds so far, None where the provider keeps no sum. `full_refund`: the provider states that nothing is
    left; where it is False, compare the sums. `account_problem`: empty, or a code for the account setting that does not
    match (`wrong_app_id`, `wrong_seller_id`). `state`: the provider's own state, for display.
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
    """One attempt to collect money, as the provider is given it.

    The provider itself must take no money after `expires_at`. `openid` identifies the buyer at WeChat, for payments
    inside its app.
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
    """The place where the buyer pays: a URL, a text for a QR code, or a form that the browser posts to `action`.

    All are empty where the account cannot start payments. `app_params` come from `PaysInApp.start_in_app`. With a
    form, `start` makes no HTTP call and returns the same order each time, because our page calls it again whenever
    the buyer opens it.
    """

    pay_url: str = ""
    code_url: str = ""
    action: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    app_params: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""


class TradeState(StrEnum):
    """The state of a payment at its provider.

    PENDING: it can still be paid. REFUNDED: it was paid and all of it was given back. UNKNOWN: the adapter does not
    know the provider's state. NOT_FOUND does not prove that nobody will pay: Alipay knows a trade only once the buyer
    has opened the cashier.
    """

    PENDING = "pending"
    PAID = "paid"
    CLOSED = "closed"
    NOT_FOUND = "not_found"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """The result of a query about one attempt.

    PAID and REFUNDED always have an amount. `refunded_total` is None where the provider does not state it.
    `has_refunds`: at least one refund exists, even where its amount is not known. `raw` is the response text, bounded,
    as evidence.
    """

    state: TradeState
    provider_reference: str = ""
    amount: Decimal | None = None
    currency: str = CURRENCY
    paid_at: datetime | None = None
    refunded_total: Decimal | None = None
    has_refunds: bool = False
    raw: str = ""

    @property
    def is_refunded(self) -> bool:
        """Whether some or all of the money went back."""
        return self.state is TradeState.REFUNDED or self.has_refunds or bool(self.refunded_total)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundInstruction:
    """A refund that the provider is to carry out.

    `refund_reference` is the idempotency key: a retry must carry the same. `payment_amount` is the amount of the whole
    payment, `paid_at` (UTC) its time. `requested_at` stays the same over retries.
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
    """The state of a refund at its provider.

    NOT_DONE: the provider does not know the refund, or has not carried it out; query or request it again with the same
    number. ABNORMAL: not final; a person must correct it at the provider. FAILED: final.
    """

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    ABNORMAL = "abnormal"
    FAILED = "failed"
    NOT_DONE = "not_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundResult:
    """The result of a refund request or of a query about one; `detail` is the provider's reason, for staff."""

    state: RefundState
    refund_reference: str
    amount: Decimal | None = None
    refunded_total: Decimal | None = None
    detail: str = ""
    raw: str = ""


class BillState(StrEnum):
    """Whether a day's bill was fetched. NOT_READY: try again later. EMPTY: the day had no trades."""

    READY = "ready"
    NOT_READY = "not_ready"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillResult:
    """The result of fetching a bill; the ending of `file_name` names the format (csv, csv.gz, zip)."""

    state: BillState
    file_name: str = ""
    detail: str = ""
