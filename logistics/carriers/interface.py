"""The interface of a carrier's connector: dataclasses in, dataclasses out.

A connector knows its carrier's API and imports no models, tasks or settings.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from django.utils.functional import Promise

from logistics.carriers.types import (
    CarrierError,
    CarrierKeys,
    MadeWaybill,
    NewWaybill,
    PushCall,
    PushedRoute,
    PushRejected,
    PushReply,
    Route,
    TrackingQuery,
    TrackingStatus,
    WaybillRequest,
)
from ordersite.lib.http import Gateway
from ordersite.outside_accounts.files import NamesKeys


class Operation(StrEnum):
    """What is called at a carrier, as the log of calls names it."""

    QUERY = "query"
    SUBSCRIBE = "subscribe"
    RECOGNISE = "recognise"
    CREATE_WAYBILL = "create_waybill"
    FIND_WAYBILL = "find_waybill"
    CANCEL_WAYBILL = "cancel_waybill"
    FETCH_LABEL = "fetch_label"
    TRY_CONNECTION = "try_connection"


class Carrier(NamesKeys, Protocol):
    """The connector of one carrier or aggregator. What it can do beside queries is in `operations`.

    `numbers_a_call`: how many parcels one query may name.
    """

    name: str
    label: str | Promise
    operations: frozenset[Operation] = frozenset((Operation.QUERY,))
    numbers_a_call: int = 1
    takes_pushes: bool = False

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

    def query_many(
        self, queries: Sequence[TrackingQuery], keys: CarrierKeys, gateway: Gateway
    ) -> Mapping[str, Route | CarrierError]:
        """Query up to `numbers_a_call` parcels in one call: a route or an error by tracking number.

        Raises `CarrierError` where the call as a whole brought nothing.
        """
        [one] = queries
        return {one.tracking_number: self.query(one, keys, gateway)}

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        """Order a waybill under `request.reference`.

        A connector without FIND_WAYBILL in `operations` gives the first order's waybill when the same reference is
        ordered again within 48 hours. Raises `CarrierError`: `refused` with the carrier's words, `unknown` where it may
        have been made all the same, anything else where it certainly was not.
        """
        raise CarrierError("not_accepted", self.name)

    def find_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill | None:
        """Find what was ordered under `request.reference`; None: the carrier certainly has no such order.

        Makes no waybill. Raises `CarrierError` where the carrier cannot say.
        """
        raise CarrierError("not_accepted", self.name)

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        """Cancel a waybill; one that is cancelled already is no error. Raises `CarrierError`."""
        raise CarrierError("not_accepted", self.name)

    def can_subscribe(self, keys: CarrierKeys) -> bool:
        """Whether parcels are subscribed through this account, each one once and without a person."""
        return False

    def subscribe(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway, *, push_url: str) -> None:
        """Have the carrier push a parcel's events to `push_url`; once more is no error. Raises `CarrierError`."""
        raise CarrierError("not_accepted", self.name)

    def recognise(self, number: str, keys: CarrierKeys, gateway: Gateway) -> tuple[str, ...]:
        """Our codes of the carriers that a number may belong to, the likeliest first. Raises `CarrierError`."""
        raise CarrierError("not_accepted", self.name)

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        """Make one harmless call that shows whether address, keys and signature are right. Raises `CarrierError`.

        A number that the carrier does not know is the proof that it understood.
        """
        raise CarrierError("not_accepted", self.name)

    def read_push(self, call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
        """Check and read a push, from the raw bytes. Raises `PushRejected`."""
        raise PushRejected("not_accepted")

    def explain(self, detail: str) -> str:
        """What a person does about a refusal with these words of the carrier's; empty where that is not known."""
        return ""

    def push_reply(self, accepted: bool) -> PushReply:
        """The carrier's own words for a push that was stored, or that was not."""
        return PushReply(200 if accepted else 500, "text/plain", b"")

    def push_reply_to(self, call: PushCall, accepted: bool) -> PushReply:
        """The carrier's own words in the form in which this push came, for a carrier that has several forms."""
        return self.push_reply(accepted)

    def push_refusal(self, call: PushCall, rejected: PushRejected) -> PushReply:
        """The carrier's own words for a push that was not believed; by default those of one that was not stored."""
        return self.push_reply_to(call, False)

    def status_of(self, provider_code: str) -> TrackingStatus:
        """What an event's code means by today's table, for events that were stored under an older one."""
        return TrackingStatus.UNKNOWN
