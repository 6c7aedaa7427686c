"""The interface of a payment provider's adapter; `types` holds the dataclasses that it takes and returns."""

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
    RefundInstruction,
    RefundResult,
    TradeResult,
)


class Provider(NamesKeys, Protocol):
    """One provider. An adapter derives from this class and overrides what its provider can do.

    The methods that are not abstract default to «cannot». `refund_gap` is the shortest interval that the provider
    allows between two refunds of one trade. `page_lifetime`: how long the provider lets a payment page or code live;
    None where it lives as long as its attempt. `signature_headers`: the headers (in lower case) that `verify` reads; a
    stored call keeps them whole, whatever else it carried.
    """

    name: str
    label: str | Promise
    refund_gap: timedelta = timedelta(0)
    page_lifetime: timedelta | None = None
    signature_headers: frozenset[str] = frozenset()

    @abstractmethod
    def check(self, keys: AccountKeys) -> list[str]:
        """The problems of an account that is being saved, in the reader's language. Makes no network call."""

    @abstractmethod
    def verify(self, call: RawNotification, keys: AccountKeys) -> ParsedNotification:
        """Check a notification's signature and parse it. Raises `Rejected`. No network, no database."""

    @abstractmethod
    def success(self) -> NotificationResponse:
        """The response to a notification that is stored durably and whose signature is good."""

    @abstractmethod
    def failure(self, code: str) -> NotificationResponse:
        """The response to a notification that was not accepted. `code`: of `Rejected`, or in `FAILURE_STATUS`."""

    @abstractmethod
    def start(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> PaymentPage:
        """Start an attempt at the provider. The attempt must be committed before. Raises `OutsideError`."""

    def has_payment_page(self, keys: AccountKeys) -> bool:
        """Whether `start` gives the buyer a place to pay."""
        return True

    def can_query(self, keys: AccountKeys) -> bool:
        """Whether attempts of this account can be queried."""
        return False

    def can_close(self, keys: AccountKeys) -> bool:
        """Whether attempts of this account can be closed at the provider, so that it takes no more money."""
        return False

    def can_refund(self, keys: AccountKeys) -> bool:
        """Whether payments of this account can be refunded through the provider's API."""
        return False

    @abstractmethod
    def query(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Query the state of an attempt. Raises `OutsideError`."""

    def close(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> TradeResult:
        """Close an attempt at the provider; the result is PAID where the buyer was faster. Raises `OutsideError`.

        Defaults to a query, for providers that cannot close.
        """
        return self.query(attempt, keys, gateway)

    @abstractmethod
    def refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Request a refund. Raises `OutsideError`.

        Where the error has `outcome_known` False, call `query_refund`, or request again with the same number.
        """

    @abstractmethod
    def query_refund(self, refund: RefundInstruction, keys: AccountKeys, gateway: Gateway) -> RefundResult:
        """Query the state of a refund. Raises `OutsideError`."""

    def can_bill(self, keys: AccountKeys) -> bool:
        """Whether this account's daily bills can be fetched."""
        return False

    def fetch_bill(self, day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
        """Write the bill of that day (Beijing time) to `target`, checked as far as the provider allows.

        Leaves no file unless the result is READY. Raises `OutsideError`.
        """
        return BillResult(state=BillState.NOT_READY)


@runtime_checkable
class DecryptsContent(Protocol):
    """A provider whose notifications carry their content encrypted with a key of the account."""

    def decrypted_content(self, body: bytes, keys: AccountKeys) -> Mapping[str, object]:
        """The decrypted content of a stored notification, to be shown to staff. Raises `Rejected`."""


@runtime_checkable
class PaysInApp(Protocol):
    """A provider that also takes money inside its own app, where a page of the shop passes it signed parameters."""

    def pays_in_app(self, keys: AccountKeys) -> bool:
        """Whether this account takes payments in the app. The attempt must then have the buyer's `openid`."""

    def start_in_app(self, attempt: Attempt, keys: AccountKeys, gateway: Gateway) -> Mapping[str, str]:
        """The signed parameters for the app. They expire: a second call signs the same order anew.

        Raises `OutsideError`.
        """
