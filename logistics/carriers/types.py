"""What connectors take and give: dataclasses and their errors.

Times are aware UTC. `carrier` is our
own short code (`sf`, `zto` …), also where an aggregator is queried for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError

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

    `estimated_at` is when the carrier expects to deliver it, None where it does not say. `raw` is the beginning of the
    carrier's response, as evidence.
    """

    events: tuple[RouteEvent, ...]
    status: TrackingStatus
    cities: CityStrip = CityStrip()
    estimated_at: datetime | None = None
    raw: str = ""


CARRIER_ERRORS: Mapping[str, Promise] = {
    "nothing_found": _("The carrier knows nothing about this number yet."),
    "phone_needed": _("The carrier wants the last four digits of the sender's or receiver's phone."),
    "not_accepted": _("The carrier does not take this question."),
    "throttled": _("The carrier was polled too often."),
    "busy": _("The carrier did not answer usefully; it will be polled again."),
    "out_of_funds": _("The carrier account is used up or expired."),
    "misconfigured": _("The carrier account is not set up correctly."),
    "refused": _("The carrier refused it."),
    "unknown": _("The carrier did not answer in full: it may have acted on the call."),
}
_RETRYABLE = frozenset(("nothing_found", "throttled", "busy", "unknown"))
_ENDS_RUN = frozenset(("misconfigured", "out_of_funds"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The sender or the receiver of a parcel."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    street: str
    company: str = ""


@dataclass(frozen=True, slots=True)
class Goods:
    """Goods in a parcel, as the order of its waybill names them."""

    name: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaybillRequest:
    """The order of one waybill for one parcel.

    `reference` is ours, 8 to 32 of `[0-9A-Z]`, and never used again: some carriers keep it for ever and answer with the
    old waybill. `carrier` is our code. `insured_value` is yuan; None: not insured.
    """

    reference: str
    carrier: str
    sender: Contact
    receiver: Contact
    goods: tuple[Goods, ...]
    insured_value: Decimal | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWaybill:
    """A waybill that a carrier made.

    `label_url` is where its label may be fetched, for a short time perhaps; `label` the label itself where the answer
    brought it. `marks` are what a label of our own prints (route codes). `insured_value` is what the carrier says that
    it insured (yuan). `raw` is the beginning of the response, as evidence.
    """

    tracking_number: str
    label_url: str = ""
    label: bytes = b""
    marks: Mapping[str, str] = field(default_factory=dict)
    insured_value: Decimal | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWaybill:
    """A waybill of ours that is to be cancelled."""

    reference: str
    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class PushCall:
    """A push as it arrived at `received_at` (UTC).

    Header names are in lower case; `body` is what was sent, to the byte.
    """

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRoute:
    """What a push says of one parcel.

    `corrected_carrier`: our code, where the carrier says that ours was wrong. `has_ended`: the carrier pushes no more
    of this parcel.
    """

    carrier: str
    tracking_number: str
    route: Route
    corrected_carrier: str = ""
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class PushReply:
    """The HTTP answer to a push."""

    status: int
    content_type: str
    body: bytes


PUSH_REFUSALS: Mapping[str, Promise] = {
    "bad_signature": _("The signature does not fit the message."),
    "stale_timestamp": _("The time stamp is more than five minutes away from now."),
    "missing_field": _("The message lacks a field that is needed to check it."),
    "malformed": _("The message is not in the form that was agreed."),
    "not_accepted": _("This carrier pushes nothing here."),
}


class PushRejected(Exception):
    """A push that is not believed or cannot be read.

    `reason` is a key of `PUSH_REFUSALS`. `detail` names the place, in English, and holds nothing personal.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail[:200]


class CarrierError(OutsideError):
    """A call that brought no usable answer.

    `code` is a key of `CARRIER_ERRORS`, `detail` the carrier's own message. `retryable`: the call may succeed later.
    `ends_run`: every other call through this account would fail alike. `outcome_known` is False where the carrier may
    have acted on the call all the same: `unknown`.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(
            code, CARRIER_ERRORS[code], retryable=code in _RETRYABLE, outcome_known=code != "unknown"
        )
        self.detail = detail[:200]
        self.ends_run = code in _ENDS_RUN


def tidy_events(newest_first: Iterable[RouteEvent]) -> tuple[RouteEvent, ...]:
    """Reverse the events to oldest first, each (at, text) once. Within one second the carrier's order is kept."""
    once = {(event.at, event.text): event for event in newest_first}
    oldest_first = list(once.values())[::-1]
    oldest_first.sort(key=lambda event: event.at)
    return tuple(oldest_first)
