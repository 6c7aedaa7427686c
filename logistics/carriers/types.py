"""The interface of a carrier's connector: dataclasses in, dataclasses out.

A connector knows its carrier's API and imports no models, tasks or settings. Times are aware UTC. `carrier` is our
own short code (`sf`, `zto` …), also where an aggregator is queried for it.
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
# Kuaidi100 states half an hour as the minimum interval.
DEFAULT_INTERVAL_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class CarrierKeys:
    """The keys of one account: `config` may be shown, `secrets` never. `version` changes when either does."""

    carrier: str
    slug: str
    config: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingQuery:
    """A query for the route of one parcel.

    `phone_last4` is of the sender or the receiver; SF and ZTO refuse a query without it. Places are free text.
    """

    carrier: str
    tracking_number: str
    phone_last4: str = ""
    origin: str = ""
    destination: str = ""


class TrackingStatus(StrEnum):
    """Where a parcel is; every carrier's codes are mapped to these."""

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
    """One event of a route.

    `provider_code` is the carrier's own code, stored so that a corrected mapping can be applied to old events.
    """

    at: datetime
    status: TrackingStatus
    text: str
    location: str = ""
    provider_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CityStrip:
    """The cities of the drawn route; empty where the carrier does not name them."""

    origin: str = ""
    current: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The whole known route of a parcel: events oldest first, unique by time and text.

    `raw` is the beginning of the carrier's response, as evidence.
    """

    events: tuple[RouteEvent, ...]
    status: TrackingStatus
    cities: CityStrip = CityStrip()
    raw: str = ""


CARRIER_ERRORS: Mapping[str, Promise] = {
    "nothing_found": _("The carrier knows nothing about this number yet."),
    "phone_needed": _("The carrier wants the last four digits of the sender's or receiver's phone."),
    "not_accepted": _("The carrier does not take this question."),
    "throttled": _("The carrier was polled too often."),
    "busy": _("The carrier did not answer usefully; it will be polled again."),
    "out_of_funds": _("The carrier account is used up or expired."),
    "misconfigured": _("The carrier account is not set up correctly."),
}
_RETRYABLE = frozenset(("nothing_found", "throttled", "busy"))
_ENDS_RUN = frozenset(("misconfigured", "out_of_funds"))


class CarrierError(OutsideError):
    """A query that returned no route.

    `code` is a key of `CARRIER_ERRORS`, `detail` the carrier's own message. `retryable`: the query may succeed later.
    `ends_run`: every other query through this account would fail alike.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, CARRIER_ERRORS[code], retryable=code in _RETRYABLE)
        self.detail = detail[:200]
        self.ends_run = code in _ENDS_RUN


class Carrier(NamesKeys, Protocol):
    """The connector of one carrier or aggregator."""

    name: str
    label: str | Promise

    @abstractmethod
    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of an account's keys, in the reader's language. Makes no call."""

    @abstractmethod
    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """The minimum interval between two queries of one parcel."""

    def most_queries_a_day(self, keys: CarrierKeys) -> int | None:
        """How many queries of one parcel the carrier answers in 24 hours; None: as many as the interval allows."""
        return None

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """How many queries the account may send in a second; None where only one after another is promised."""
        return None

    @abstractmethod
    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""


def tidy_events(newest_first: Iterable[RouteEvent]) -> tuple[RouteEvent, ...]:
    """Reverse the events to oldest first, each (at, text) once. Within one second the carrier's order is kept."""
    once = {(event.at, event.text): event for event in newest_first}
    oldest_first = list(once.values())[::-1]
    oldest_first.sort(key=lambda event: event.at)
    return tuple(oldest_first)
