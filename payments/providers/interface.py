"""What a payment provider's adapter does; what it takes and gives stands in `base`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from django.utils.functional import Promise

from ordersite.lib.http import Gateway
from ordersite.outside_accounts.files import NamesKeys
from payments.providers.responses import NotificationResponse
from payments.providers.types import (
    AccountKeys,
    Attempt,
    BillResult,
    BillState,
    ParsedNotification,
    PaymentPage,
    RawNotification,
    RefundOrder,
    RefundResult,
    TradeResult,
)


class Provider(NamesKeys, Protocol):
    """One provider. Its class derives from this one and says what it can; what it does not say it cannot.

    `refund_gap`: how far apart the provider wants two refunds of one trade.
    """

    name: str
    label: str | Promise
    refund_gap: timedelta = timedelta(0)

    @abstractmethod
    def check(self, keys: AccountKeys) -> list[str]:
        """Problems to show when an account is saved, in the reader's language; no network."""

    @abstractmethod
    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """The notice of a genuine call; raises `Rejected`. No network, no database."""

    @abstractmethod
    def success(self) -> NotificationResponse:
        """Said only when the row is durable and the signature is good."""

    @abstractmethod
    def failure(self, code: str) -> NotificationResponse:
        """`code`: of `Rejected`, or a key of `FAILURE_STATUS`."""

    @abstractmethod
    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """Raises `OutsideError`. The attempt must be committed before."""

    def can_query(self, keys: AccountKeys) -> bool:
        """Whether this account can be asked."""
        return False

    def can_close(self, keys: AccountKeys) -> bool:
        """Whether this account can be told to take no more money."""
        return False

    def can_refund(self, keys: AccountKeys) -> bool:
        """Whether this account can be told to give money back."""
        return False

    @abstractmethod
    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Raises `OutsideError`."""

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """The state after closing: PAID where the buyer was faster. Raises `OutsideError`.

        Without such a call, what a question brings is all there is.
        """
        return self.query(attempt, keys, gateway)

    @abstractmethod
    def refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Raises `OutsideError`.

        With `outcome_known` False ask with `query_refund` or repeat with the same number.
        """

    @abstractmethod
    def query_refund(self, order: RefundOrder, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Raises `OutsideError`."""

    def can_bill(self, keys: AccountKeys) -> bool:
        """Whether this account's daily bills can be fetched."""
        return False

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """Write the bill of that day (Beijing time) to `target`, checked as far as the provider allows.

        Raises `OutsideError`. Whatever is not READY leaves no file.
        """
        return BillResult(state=BillState.NOT_READY)


@runtime_checkable
class DecryptsContent(Protocol):
    """A provider that puts the facts into its calls under a key of the account."""

    def decrypted_content(self, body: bytes, keys: AccountKeys) -> Mapping[str, object]:
        """The facts of a stored call, to be shown to staff. Raises `Rejected`."""


@runtime_checkable
class PaysInApp(Protocol):
    """A provider that also takes money inside its own app, where a page of the shop hands it signed parameters."""

    def pays_in_app(self, keys: AccountKeys) -> bool:
        """Whether this account collects there. The buyer's `openid` must be known then."""

    def start_in_app(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> Mapping[str, str]:
        """The parameters, which grow old: asked again, the same order is signed anew. Raises `OutsideError`."""
