"""The tracking card: all that a buyer wants to see of an order's parcels, ready for the template."""

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

from logistics import accounts, labels
from logistics.models import Shipment, TrackingEvent
from logistics.tracking import poll
from orders.models import Order
from orders.models import OrderStatus as S

Text = str | Promise
# How far along the four steps a parcel is; an exception keeps the place where it happened.
_STEPS: tuple[Text, ...] = (_("shipped"), _("in transit"), _("out for delivery"), _("signed for"))
_REACHED: Mapping[str, int] = {
    "pending": 0, "picked_up": 0, "in_transit": 1, "exception": 1, "unknown": 1, "out_for_delivery": 2,
    "ready_for_pickup": 2, "delivered": 3, "returning": 1, "returned": 1,
}  # fmt: skip
_BEFORE_STEPS: tuple[Text, ...] = (_("ordered"), _("paid"), _("packing"), _("shipped"))


@dataclass(frozen=True, slots=True)
class Before:
    """What an order without parcels says: its state, and what happens next."""

    title: Text
    hint: Text
    tone: str
    reached: int | None = None


_BEFORE: Mapping[str, Before] = {
    S.PENDING: Before(
        _("Waiting for payment"),
        _("As soon as the payment arrives, the warehouse starts packing."),
        "waiting",
        0,
    ),
    S.PAID: Before(
        _("The warehouse is packing"), _("Once it ships, its way shows on this page."), "waiting", 2
    ),
    S.CLOSED: Before(_("The order is closed"), _("It was not paid, so nothing is sent."), "plain"),
    S.REFUNDED: Before(_("The order is refunded"), _("The money went back; nothing is sent."), "plain"),
}
_NO_PARCEL = Before(_("Shipped"), _("The warehouse gave no waybill number for this order."), "plain")


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
    at: datetime
    text: str
    location: str
    word: Text
    tone: str
    code: str
    is_turn: bool


@dataclass(frozen=True, slots=True)
class CardParcel:
    """One parcel. `is_fresh`: checked within the last minute; `can_refresh`: may be asked for now; `is_asked`: is being
    asked for; `refresh_at` (UTC): asking is allowed again, empty when nobody can be asked or it has arrived."""

    id: int
    carrier: str
    number: str
    word: Text
    tone: str
    insured_value: Decimal | None
    shipped_at: datetime
    delivered_at: datetime | None
    checked_at: datetime | None
    is_fresh: bool
    refresh_at: datetime | None
    can_refresh: bool
    is_asked: bool
    steps: Sequence[Step]
    cities: Sequence[City]
    events: Sequence[CardEvent]


@dataclass(frozen=True, slots=True)
class Card:
    """`before` is set while there is no parcel. Addresses are paths on this site."""

    order: Order
    page: str
    qr: str
    parcels: Sequence[CardParcel]
    before: Before | None
    before_steps: Sequence[Step]
    is_partly: bool

    @property
    def is_asked(self) -> bool:
        return any(parcel.is_asked for parcel in self.parcels)


def parcels_of(order: Order) -> list[Shipment]:
    """The order's parcels with their events, newest first, in two queries."""
    newest_first = Prefetch("events", TrackingEvent.objects.order_by("-at", "-id"))
    return list(Shipment.objects.filter(order_id=order.pk).order_by("pk").prefetch_related(newest_first))


def card(order: Order) -> Card:
    """The card of an order in three queries, whatever its parcels."""
    parcels = parcels_of(order)
    floors = accounts.floors(order.merchant_id) if parcels else {}
    before = None if parcels else _BEFORE.get(str(order.status), _NO_PARCEL)
    return Card(
        order=order,
        page=reverse("track", args=[order.tracking_token]),
        qr=reverse("track-qr", args=[order.tracking_token]),
        parcels=[_parcel(parcel, floors) for parcel in parcels],
        before=before,
        before_steps=_steps(_BEFORE_STEPS, before.reached) if before and before.reached is not None else (),
        is_partly=bool(parcels) and order.status == S.PAID,
    )


def _parcel(parcel: Shipment, floors: Mapping[str, timedelta]) -> CardParcel:
    now = timezone.now()
    word = labels.tracking_word(parcel.tracking_status)
    refresh_at = poll.refresh_allowed_at(parcel, floors)
    waits = parcel.next_check_at is not None and parcel.next_check_at <= now and refresh_at is not None
    leased = parcel.leased_until is not None and parcel.leased_until > now
    return CardParcel(
        id=parcel.pk,
        carrier=labels.carrier_name(parcel.carrier),
        number=parcel.tracking_number,
        word=word.text,
        tone=word.tone,
        insured_value=parcel.insured_value,
        shipped_at=parcel.shipped_at,
        delivered_at=parcel.delivered_at,
        checked_at=parcel.last_checked_at,
        is_fresh=parcel.last_checked_at is not None and now - parcel.last_checked_at < timedelta(minutes=1),
        refresh_at=refresh_at,
        can_refresh=refresh_at is not None and refresh_at <= now and not waits and not leased,
        is_asked=leased or (waits and refresh_at is not None and refresh_at <= now),
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
    """From, where it is, to; each once, none where the carrier did not say."""
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
    """Newest first; `is_turn` marks those at which the status changed."""
    events = list(parcel.events.all())
    return [_event(event, older) for event, older in zip_longest(events, events[1:])]


def _event(event: TrackingEvent, older: TrackingEvent | None) -> CardEvent:
    word = labels.tracking_word(event.status)
    return CardEvent(
        at=event.at,
        text=event.text,
        location=event.location,
        word=word.text,
        tone=word.tone,
        code=event.provider_code if event.status == "unknown" else "",
        is_turn=older is None or older.status != event.status,
    )
