"""The tracking card of an order: its parcels as the buyer sees them, ready for the template."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest

from django.db.models import Prefetch
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from logistics import labels
from logistics.buyer_texts import for_buyers
from logistics.models import Shipment, TrackingEvent
from logistics.route_map.drawing import Drawing, draw
from logistics.route_map.stops import Way, stops_of
from logistics.tracking import poll
from logistics.tracking.coverage import floors_by_carrier
from orders.models import Order, OrderStatus
from orders.truth.facts import BuyerWords, TruthLine
from orders.truth.sentence import Truth, truth_of

Text = str | Promise
SILENT_AFTER = timedelta(hours=24)
# The four steps of a parcel, and the step that each tracking status has reached.
_STEPS: tuple[Text, ...] = (_("shipped"), _("in transit"), _("out for delivery"), _("signed for"))
_REACHED: Mapping[str, int] = {
    "pending": 0, "picked_up": 0, "in_transit": 1, "exception": 1, "unknown": 1, "out_for_delivery": 2,
    "ready_for_pickup": 2, "delivered": 3, "returning": 1, "returned": 1,
}  # fmt: skip
_PLACEHOLDER_STEPS: tuple[Text, ...] = (_("ordered"), _("paid"), _("packing"), _("shipped"))


# The step that an order without parcels has reached, by the code of its state's line; no steps for other codes.
_PLACEHOLDER_REACHED: Mapping[str, int] = {"pending": 0, "paid": 2, "paid_held": 2}
# What is said of these states, the parcels say themselves.
_SAID_BY_PARCELS = frozenset({"paid", "shipped", "completed"})


@dataclass(frozen=True, slots=True)
class Head:
    """Where the order stands and what happens next: above the parcels, or in their place."""

    title: Text
    hint: Text
    tone: str


@dataclass(frozen=True, slots=True)
class Step:
    name: Text
    state: str  # done, now or ahead


@dataclass(frozen=True, slots=True)
class City:
    name: str
    state: str  # done, now or ahead


@dataclass(frozen=True, slots=True)
class CardEvent:
    """One tracking event. `changes_status`: the event before it had another status; `at` is UTC.

    `code` is the carrier's own code where we do not know its meaning.
    """

    at: datetime
    text: str
    location: str
    label: Text
    tone: str
    code: str
    changes_status: bool


@dataclass(frozen=True, slots=True)
class CardParcel:
    """One parcel. All times are UTC.

    `checked_at`: when the carrier last answered; `unanswered_at`: when it was polled after that and did not answer;
    `news_at`: when the newest event happened. `is_fresh`: checked within the last minute. `is_polling`: due or being
    polled now. `can_refresh`: the buyer may have it polled now. `refresh_at`: when it may be polled again; None when it
    has arrived or no account can poll it. `next_at`: when it is polled next by itself, None where it is due or is polled
    no more. `capped_until`: the carrier answers nothing about this number before. `is_silent`: the carrier has not
    answered for so long that it may never. `estimated_at`: when the carrier expects to deliver it, None once that has
    passed, where it goes back, and where the carrier does not say. `drawing`: the way from city to city; `cities` where
    too few are known.
    """

    id: int
    carrier: str
    number: str
    label: Text
    tone: str
    insured_value: Decimal | None
    shipped_at: datetime
    delivered_at: datetime | None
    checked_at: datetime | None
    unanswered_at: datetime | None
    news_at: datetime | None
    is_fresh: bool
    refresh_at: datetime | None
    can_refresh: bool
    is_polling: bool
    next_at: datetime | None
    capped_until: datetime | None
    is_silent: bool
    estimated_at: datetime | None
    steps: Sequence[Step]
    drawing: Drawing | None
    cities: Sequence[City]
    events: Sequence[CardEvent]


@dataclass(frozen=True, slots=True)
class Card:
    """The card of one order; `page`, `qr` and `state` are paths on this site, `version` is what `state` answers.

    `is_final`: nothing more will happen.
    `placeholder` is set while there is no parcel; `notice` where there are some and they do not say all.
    """

    order: Order
    page: str
    qr: str
    state: str
    version: str
    is_final: bool
    parcels: Sequence[CardParcel]
    notice: Head | None
    placeholder: Head | None
    placeholder_steps: Sequence[Step]
    is_partly: bool

    @property
    def is_polling(self) -> bool:
        return any(parcel.is_polling for parcel in self.parcels)


def parcels_of(order: Order) -> list[Shipment]:
    """The order's parcels in the order of their confirmation, each with its events newest first. Two queries."""
    newest_first = Prefetch("events", TrackingEvent.objects.order_by(*TrackingEvent.NEWEST_FIRST))
    return list(Shipment.objects.filter(order_id=order.pk).order_by("pk").prefetch_related(newest_first))


def card(order: Order, truth: Truth | None = None) -> Card:
    """Build the card of an order. A fixed number of queries, however many parcels it has; fewer with its `truth`."""
    parcels = parcels_of(order)
    floors = floors_by_carrier(order.merchant_id) if parcels else {}
    line = (truth or truth_of(order)).buyer_line
    head = _head(line)
    is_said = line.code in _SAID_BY_PARCELS and not line.mark
    reached = None if parcels else _PLACEHOLDER_REACHED.get(line.code)
    return Card(
        order=order,
        page=reverse("track", args=[order.tracking_token]),
        qr=reverse("track-qr", args=[order.tracking_token]),
        state=reverse("track-state", args=[order.tracking_token]),
        version=version_of(order, parcels),
        is_final=_is_final(order, parcels),
        parcels=[_parcel(parcel, order, floors) for parcel in parcels],
        notice=head if parcels and not is_said else None,
        placeholder=None if parcels else head,
        placeholder_steps=() if reached is None else _steps(_PLACEHOLDER_STEPS, reached),
        is_partly=bool(parcels) and order.status == OrderStatus.PAID,
    )


def _is_final(order: Order, parcels: Sequence[Shipment]) -> bool:
    is_ended = order.status in (OrderStatus.COMPLETED, OrderStatus.CLOSED, OrderStatus.REFUNDED)
    return is_ended and not any(parcel.is_under_way for parcel in parcels)


def _head(line: TruthLine) -> Head:
    """The line as the buyer sees it. What is wrong is the shop's to put right: it alarms no buyer."""
    words = line.buyer or BuyerWords("", "")
    tone = line.tone if line.tone in ("good", "plain") else "waiting"
    hint = words.text
    if line.code == "shipped" and not line.mark:
        hint = gettext("The warehouse gave no waybill number for this order.")
    return Head(words.title, hint, tone)


# The words of time and the button on an unchanged card are drawn anew after so long.
_REDRAWN_AFTER = timedelta(minutes=5)


def version_of(order: Order, parcels: Sequence[Shipment] | None = None) -> str:
    """A digest that changes when the card would say something else, and every five minutes.

    One query, none with the order's `parcels`.
    """
    now = timezone.now()
    rows = Shipment.objects.filter(order_id=order.pk).order_by("pk") if parcels is None else parcels
    of_parcels = [
        (
            row.pk, row.tracking_number, row.carrier, row.insured_value, row.tracking_status, row.status,
            row.last_event_at, row.last_checked_at, row.last_poll_at, row.capped_until, row.estimated_at, row.is_due(now),
            row.is_leased(now),
        )
        for row in rows
    ]  # fmt: skip
    of_order = (order.status, order.held, order.refunds_pending, order.refunded_amount, order.closing_at)
    span = int(now.timestamp() // _REDRAWN_AFTER.total_seconds())
    return hashlib.sha256(repr((of_order, of_parcels, span)).encode()).hexdigest()[:16]


def _parcel(parcel: Shipment, order: Order, floors: Mapping[str, timedelta]) -> CardParcel:
    now = timezone.now()
    label = labels.tracking_label(parcel.tracking_status)
    refresh_at = poll.refresh_allowed_at(parcel, floors)
    is_allowed = refresh_at is not None and refresh_at <= now
    is_leased, is_due = parcel.is_leased(now), parcel.is_due(now)
    drawing = draw_way(parcel, order)
    return CardParcel(
        id=parcel.pk,
        carrier=labels.carrier_name(parcel.carrier),
        number=parcel.tracking_number,
        label=label.text,
        tone=label.tone,
        insured_value=parcel.insured_value,
        shipped_at=parcel.shipped_at,
        delivered_at=parcel.delivered_at,
        checked_at=parcel.last_checked_at,
        unanswered_at=parcel.last_poll_at if parcel.is_unanswered else None,
        news_at=parcel.last_event_at,
        is_fresh=parcel.last_checked_at is not None and now - parcel.last_checked_at < timedelta(minutes=1),
        refresh_at=refresh_at,
        can_refresh=is_allowed and not is_due and not is_leased,
        is_polling=is_leased or (is_allowed and is_due),
        next_at=parcel.next_check_at if parcel.next_check_at and not is_due else None,
        capped_until=parcel.capped_until if parcel.capped_until and parcel.capped_until > now else None,
        is_silent=_is_silent(parcel, now),
        estimated_at=_estimated_at(parcel, now),
        steps=_steps(_STEPS, _REACHED.get(parcel.tracking_status, 1)),
        drawing=drawing,
        cities=[] if drawing else _cities(parcel),
        events=_events(parcel, order),
    )


def _is_silent(parcel: Shipment, now: datetime) -> bool:
    """Whether a parcel under way has been polled in vain for SILENT_AFTER."""
    answered_at = parcel.last_checked_at or parcel.created_at
    return parcel.is_under_way and parcel.is_unanswered and answered_at < now - SILENT_AFTER


def _estimated_at(parcel: Shipment, now: datetime) -> datetime | None:
    """What is still ahead of what the carrier expected."""
    at = parcel.estimated_at
    is_ahead = at is not None and at > now
    return at if is_ahead and parcel.is_under_way and parcel.tracking_status != "returning" else None


def draw_way(parcel: Shipment, order: Order) -> Drawing | None:
    """The drawing of a parcel's way to the order's city; None where fewer than two cities are known. No query where the
    events are prefetched newest first.
    """
    events = list(parcel.events.all())
    way = Way(
        [(event.location, event.text) for event in reversed(events)],
        origin=parcel.origin_city,
        destination=f"{order.province}{order.city}{order.district}",
        is_over=not parcel.is_under_way,
        goes_back=parcel.tracking_status == "returning",
    )
    return draw(stops_of(way))


def _steps(names: Sequence[Text], reached: int) -> list[Step]:
    last = len(names) - 1
    return [
        Step(name, "done" if place < reached or reached == last else "now" if place == reached else "ahead")
        for place, name in enumerate(names)
    ]


def _cities(parcel: Shipment) -> list[City]:
    """The cities of the route: origin, current, destination; each once, none where the carrier names neither end."""
    arrived = parcel.delivered_at is not None
    start, here, end = parcel.origin_city, parcel.current_city, parcel.destination_city
    if not start and not end:
        return []
    cities = [City(start, "done")] if start else []
    if here and here not in (start, end):
        cities.append(City(here, "done" if arrived else "now"))
    if end and end != start:
        cities.append(City(end, "done" if arrived else "now" if here == end else "ahead"))
    if len(cities) > 1 and all(city.state != "now" for city in cities) and not arrived:
        cities[0] = City(cities[0].name, "now")
    return cities


def _events(parcel: Shipment, order: Order) -> list[CardEvent]:
    """The events, newest first. The prefetched events stand in that order already."""
    events = list(parcel.events.all())
    return [_event(event, older, order) for event, older in zip_longest(events, events[1:])]


def _event(event: TrackingEvent, older: TrackingEvent | None, order: Order) -> CardEvent:
    label = labels.tracking_label(event.status)
    return CardEvent(
        at=event.at,
        text=for_buyers(event.text, order),
        location=for_buyers(event.location, order),
        label=label.text,
        tone=label.tone,
        code=event.provider_code if event.status == "unknown" else "",
        changes_status=older is None or older.status != event.status,
    )
