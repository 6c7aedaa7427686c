"""The tracking card of an order: its parcels as the buyer sees them, ready for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest

from django.db.models import Prefetch
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics import labels
from logistics.models import Shipment, TrackingEvent
from logistics.tracking import poll
from logistics.tracking.coverage import floors_by_carrier
from orders.models import Order, OrderStatus

Text = str | Promise
# The four steps of a parcel, and the step that each tracking status has reached.
_STEPS: tuple[Text, ...] = (_("shipped"), _("in transit"), _("out for delivery"), _("signed for"))
_REACHED: Mapping[str, int] = {
    "pending": 0, "picked_up": 0, "in_transit": 1, "exception": 1, "unknown": 1, "out_for_delivery": 2,
    "ready_for_pickup": 2, "delivered": 3, "returning": 1, "returned": 1,
}  # fmt: skip
_PLACEHOLDER_STEPS: tuple[Text, ...] = (_("ordered"), _("paid"), _("packing"), _("shipped"))


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What the card shows of an order without parcels: its state, and what happens next.

    `reached` is the index of the step in _PLACEHOLDER_STEPS, None when no steps are drawn.
    """

    title: Text
    hint: Text
    tone: str
    reached: int | None = None


_PLACEHOLDERS: Mapping[str, Placeholder] = {
    OrderStatus.PENDING: Placeholder(
        _("Waiting for payment"),
        _("As soon as the payment arrives, the warehouse starts packing."),
        "waiting",
        0,
    ),
    OrderStatus.PAID: Placeholder(
        _("The warehouse is packing"), _("Once it ships, its way shows on this page."), "waiting", 2
    ),
    OrderStatus.CLOSED: Placeholder(
        _("The order is closed"), _("It was not paid, so nothing is sent."), "plain"
    ),
    OrderStatus.REFUNDED: Placeholder(
        _("The order is refunded"), _("The money went back; nothing is sent."), "plain"
    ),
}
_NO_PARCEL = Placeholder(_("Shipped"), _("The warehouse gave no waybill number for this order."), "plain")


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

    `is_fresh`: checked within the last minute. `is_polling`: due or being polled now. `can_refresh`: the buyer may
    have it polled now. `refresh_at`: when it may be polled again; None when it has arrived or no account can poll it.
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
    is_fresh: bool
    refresh_at: datetime | None
    can_refresh: bool
    is_polling: bool
    steps: Sequence[Step]
    cities: Sequence[City]
    events: Sequence[CardEvent]


@dataclass(frozen=True, slots=True)
class Card:
    """The card of one order. `placeholder` is set while there is no parcel; `page` and `qr` are paths on this site."""

    order: Order
    page: str
    qr: str
    parcels: Sequence[CardParcel]
    placeholder: Placeholder | None
    placeholder_steps: Sequence[Step]
    is_partly: bool

    @property
    def is_polling(self) -> bool:
        return any(parcel.is_polling for parcel in self.parcels)


def parcels_of(order: Order) -> list[Shipment]:
    """The order's parcels in the order of their confirmation, each with its events newest first. Two queries."""
    newest_first = Prefetch("events", TrackingEvent.objects.order_by("-at", "-id"))
    return list(Shipment.objects.filter(order_id=order.pk).order_by("pk").prefetch_related(newest_first))


def card(order: Order) -> Card:
    """Build the card of an order. At most three queries, however many parcels it has."""
    parcels = parcels_of(order)
    floors = floors_by_carrier(order.merchant_id) if parcels else {}
    placeholder = None if parcels else _PLACEHOLDERS.get(str(order.status), _NO_PARCEL)
    reached = placeholder.reached if placeholder else None
    return Card(
        order=order,
        page=reverse("track", args=[order.tracking_token]),
        qr=reverse("track-qr", args=[order.tracking_token]),
        parcels=[_parcel(parcel, floors) for parcel in parcels],
        placeholder=placeholder,
        placeholder_steps=() if reached is None else _steps(_PLACEHOLDER_STEPS, reached),
        is_partly=bool(parcels) and order.status == OrderStatus.PAID,
    )


def _parcel(parcel: Shipment, floors: Mapping[str, timedelta]) -> CardParcel:
    now = timezone.now()
    label = labels.tracking_label(parcel.tracking_status)
    refresh_at = poll.refresh_allowed_at(parcel, floors)
    is_allowed = refresh_at is not None and refresh_at <= now
    is_leased, is_due = parcel.is_leased(now), parcel.is_due(now)
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
        is_fresh=parcel.last_checked_at is not None and now - parcel.last_checked_at < timedelta(minutes=1),
        refresh_at=refresh_at,
        can_refresh=is_allowed and not is_due and not is_leased,
        is_polling=is_leased or (is_allowed and is_due),
        steps=_steps(_STEPS, _REACHED.get(parcel.tracking_status, 1)),
        cities=_cities(parcel),
        events=_events(parcel),
    )


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


def _events(parcel: Shipment) -> list[CardEvent]:
    """The events, newest first. The prefetched events stand in that order already."""
    events = list(parcel.events.all())
    return [_event(event, older) for event, older in zip_longest(events, events[1:])]


def _event(event: TrackingEvent, older: TrackingEvent | None) -> CardEvent:
    label = labels.tracking_label(event.status)
    return CardEvent(
        at=event.at,
        text=event.text,
        location=event.location,
        label=label.text,
        tone=label.tone,
        code=event.provider_code if event.status == "unknown" else "",
        changes_status=older is None or older.status != event.status,
    )
