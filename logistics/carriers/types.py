"""What a carrier's connector is: dataclasses in, dataclasses out.

A connector knows its carrier's words and nothing of ours beyond this file: no models, no tasks, no settings.
Times are aware UTC. `carrier` is our own short code (`sf`, `zto` …), also where another company answers for
it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from ordersite.outside_accounts.files import NamesKeys

MAX_EVIDENCE = 4000
# Kuaidi100 locks a number for a day after 48 questions; half an hour is its own stated floor.
DEFAULT_INTERVAL_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class CarrierKeys:
    """One account's file, split: `config` may be shown, `secrets` never.

    `version` changes when either does.
    """

    carrier: str
    slug: str
    config: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelQuestion:
    """`phone_last4`: of sender or receiver; SF and ZTO do not answer without it. Places are free text."""

    carrier: str
    tracking_number: str
    phone_last4: str = ""
    origin: str = ""
    destination: str = ""


class TrackingStatus(StrEnum):
    PENDING = "pending"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    EXCEPTION = "exception"
    RETURNING = "returning"
    RETURNED = "returned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEvent:
    """

    provider_code` is the carrier's own code, kept so that a corrected map can be applied to old events.
    """

    at: datetime
    status: TrackingStatus
    text: str
    location: str = ""
    provider_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CityStrip:
    """Names of cities for the drawing of the route; empty where not known."""

    origin: str = ""
    current: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAnswer:
    """The whole known route: events oldest first, none twice by (at, text).

    `raw` is bounded evidence text.
    """

    events: tuple[RouteEvent, ...]
    status: TrackingStatus
    cities: CityStrip = CityStrip()
    raw: str = ""


CARRIER_ERRORS: Mapping[str, Promise] = {
    "nothing_found": _("The carrier knows nothing about this number yet."),
    "phone_needed": _("The carrier wants the last four digits of the sender's or receiver's phone."),
    "not_accepted": _("The carrier does not take this question."),
    "throttled": _("The carrier was asked too often."),
    "busy": _("The carrier did not answer usefully; it will be asked again."),
    "out_of_funds": _("The carrier account is used up or expired."),
    "misconfigured": _("The carrier account is not set up correctly."),
}
_RETRYABLE = frozenset(("nothing_found", "throttled", "busy"))
_ENDS_RUN = frozenset(("misconfigured", "out_of_funds"))


class CarrierError(OutsideError):
    """A question without a route for an answer.

    `code` is a key of `CARRIER_ERRORS`; `detail` are the carrier's words.
    `retryable`: ask again when it is next due. `ends_run`: every other question of this account would fail
    alike.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, CARRIER_ERRORS[code], retryable=code in _RETRYABLE)
        self.detail = detail[:200]
        self.ends_run = code in _ENDS_RUN


class Carrier(NamesKeys, Protocol):
    """One carrier or aggregator."""

    name: str
    label: str | Promise

    @abstractmethod
    def check(self, keys: CarrierKeys) -> list[str]:
        """Problems to show when an account is saved, in the reader's language; no network."""

    @abstractmethod
    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """The least time between two questions about one number."""

    @abstractmethod
    def query(self, question: ParcelQuestion, keys: CarrierKeys, gateway: Gateway) -> RouteAnswer:
        """Raises `CarrierError`."""


def tidy_events(newest_first: Iterable[RouteEvent]) -> tuple[RouteEvent, ...]:
    """Oldest first, each (at, text) once. Within one second the carrier's own order decides."""
    once = {(event.at, event.text): event for event in newest_first}
    oldest_first = list(once.values())[::-1]
    oldest_first.sort(key=lambda event: event.at)
    return tuple(oldest_first)
