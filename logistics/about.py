"""What logistics contributes to the pages and the API about an order. Those import nothing else of this app."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from logistics import labels
from logistics.carriers.numbers import tidy_number
from logistics.models import Shipment, ShipmentException, ShipmentQuerySet, ShipmentStatus, TrackingEvent
from logistics.tracking_card import Card, card, parcels_of
from orders.models import Order, OrderStatus
from orders.truth.facts import Facts, TruthLine
from ordersite.lib.money import display_amount, format_amount
from ordersite.lib.panels import Entry, Item, Link, Panel

__all__ = ["Card", "card", "explain", "facts_of", "find", "panel", "parts", "timeline"]

MOST_FOUND = 50
_NUMBER = re.compile(r"[0-9A-Z-]{6,40}", re.ASCII)
_PAGE = "admin:logistics_shipment_change"
_CASE_PAGE = "admin:logistics_shipmentexception_change"


def find(term: str, *, merchant_id: int | None = None) -> list[int]:
    """Ids of at most 50 orders with a parcel of this waybill number, or else one that begins with it.

    Searches the orders of one merchant if `merchant_id` is given.
    """
    number = tidy_number(term)
    if not _NUMBER.fullmatch(number):
        return []
    parcels = Shipment.objects.of_merchant(merchant_id)
    exact = _order_ids(parcels.filter(tracking_number=number))
    return exact or _order_ids(parcels.filter(tracking_number__startswith=number))


def _order_ids(parcels: ShipmentQuerySet) -> list[int]:
    ids = parcels.order_by("tracking_number", "pk").values_list("order_id", flat=True)[:MOST_FOUND]
    return list(dict.fromkeys(ids))


def parts(orders: Sequence[Order]) -> dict[int, list[dict[str, Any]]]:
    """The API's `shipments` of each order, by order id. Two queries; events oldest first, times in the shop's zone."""
    shipments: dict[int, list[dict[str, Any]]] = {order.pk: [] for order in orders}
    parcels = Shipment.objects.filter(order_id__in=shipments).order_by("pk").prefetch_related("events")
    for parcel in parcels:
        shipments[parcel.order_id].append(_part(parcel))
    return shipments


def _part(parcel: Shipment) -> dict[str, Any]:
    insured = parcel.insured_value
    return {
        "carrier": parcel.carrier,
        "tracking_number": parcel.tracking_number,
        "status": str(parcel.status),
        "insured_value": None if insured is None else format_amount(insured),
        "shipped_at": _iso(parcel.shipped_at),
        "events": [
            {"at": _iso(event.at), "status": event.status, "text": event.text, "location": event.location}
            for event in parcel.events.all()
        ],
    }


def _iso(at: datetime) -> str:
    return timezone.localtime(at).isoformat()


def panel(order: Order) -> Panel:
    """The box of parcels on the order page."""
    return Panel(
        title=_("Parcels"),
        items=[_item(parcel) for parcel in parcels_of(order)],
        empty=_("No parcel yet."),
    )


def _item(parcel: Shipment) -> Item:
    label = labels.tracking_label(parcel.tracking_status)
    facts = [(_("shipped at"), _moment(parcel.shipped_at))]
    if parcel.insured_value is not None:
        facts.append((_("insured value"), display_amount(parcel.insured_value)))
    facts.append(
        (_("last checked"), _moment(parcel.last_checked_at) if parcel.last_checked_at else _("not yet"))
    )
    if parcel.last_event_at:
        facts.append((_("last event"), _moment(parcel.last_event_at)))
    if parcel.last_problem:
        facts.append((_("problem"), problem_text(parcel)))
    return Item(
        title=f"{labels.carrier_name(parcel.carrier)} {parcel.tracking_number}",
        facts=facts,
        state=str(label.text),
        tone=label.tone,
        url_name=_PAGE,
        url_id=parcel.pk,
        rows=[_entry(parcel, event) for event in parcel.events.all()],
    )


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%m-%d %H:%M}"


def problem_text(parcel: Shipment) -> str:
    """Why the last poll brought no route, in the reader's language; empty when it brought one."""
    return labels.problem_label(parcel.last_problem)


def _entry(parcel: Shipment, event: TrackingEvent) -> Entry:
    label = labels.tracking_label(event.status)
    return Entry(
        at=event.at,
        topic="parcel",
        title=str(label.text),
        detail=" ".join(filter(None, (event.text, event.provider_code if event.status == "unknown" else ""))),
        tone=label.tone,
        evidence=parcel.tracking_number,
        url_name=_PAGE,
        url_id=parcel.pk,
    )


def timeline(order: Order) -> list[Entry]:
    """The tracking events and the cases of the order's parcels, oldest first.

    The warehouse's confirmations are lines of the order's history, so they are not repeated here.
    """
    entries = [_entry(parcel, event) for parcel in parcels_of(order) for event in parcel.events.all()]
    cases = ShipmentException.objects.filter(order_id=order.pk).select_related("resolved_by")
    for case in cases:
        url = {"url_name": _CASE_PAGE, "url_id": case.pk}
        entries.append(Entry(case.created_at, "parcel", case.get_kind_display(), tone="bad", **url))  # type: ignore[arg-type]
        if case.resolved_at:
            title = _("Case resolved: %(kind)s") % {"kind": case.get_kind_display()}
            entries.append(Entry(case.resolved_at, "people", title, case.resolution, "good", **url))  # type: ignore[arg-type]
    return sorted(entries, key=lambda entry: entry.at)


def explain(order: Order) -> list[Link]:
    """The last three links of the diagnosis: shipped, tracked, signed for."""
    parcels = parcels_of(order)
    return [_shipped_link(order, parcels), _tracked_link(parcels), _signed_link(order, parcels)]


def _shipped_link(order: Order, parcels: Sequence[Shipment]) -> Link:
    name = "shipped"
    if parcels and order.status != OrderStatus.PAID:
        return Link(name, "good", parcels[-1].shipped_at, parcels[-1].tracking_number)
    if order.status != OrderStatus.PAID:
        return Link(name, "not_applicable")
    if order.held:
        return Link(name, "broken", cause_code="held", cause=_("The order is held and must not ship."))
    if order.is_stopped:
        cause = _("A refund of the order is under way: it must not ship meanwhile.")
        return Link(name, "waiting", order.paid_at, cause_code="refund_under_way", cause=cause)
    cause = _("The warehouse has sent a part.") if parcels else _("The warehouse has not confirmed yet.")
    return Link(name, "waiting", order.paid_at, cause_code="not_shipped", cause=cause)


def _tracked_link(parcels: Sequence[Shipment]) -> Link:
    if not parcels:
        return Link("tracked", "not_applicable")
    worst = next((parcel for parcel in parcels if parcel.last_problem and parcel.is_under_way), None)
    if worst is not None:
        return Link(
            "tracked",
            "waiting" if worst.last_problem.startswith("nothing_found") else "broken",
            worst.last_poll_at,
            worst.tracking_number,
            worst.last_problem.partition(":")[0],
            problem_text(worst),
        )
    unpolled = next((parcel for parcel in parcels if parcel.last_checked_at is None), None)
    if unpolled is not None:
        return Link("tracked", "waiting", None, unpolled.tracking_number, "not_asked", _("Not polled yet."))
    return Link("tracked", "good", parcels[-1].last_checked_at, parcels[-1].tracking_number)


def _signed_link(order: Order, parcels: Sequence[Shipment]) -> Link:
    if not parcels:
        return Link("signed", "not_applicable")
    back = next((parcel for parcel in parcels if parcel.status == ShipmentStatus.RETURNED), None)
    if back is not None:
        cause = _("The parcel went back to the sender.")
        return Link("signed", "broken", back.last_event_at, back.tracking_number, "returned", cause)
    under_way = next((parcel for parcel in parcels if parcel.is_under_way), None)
    if under_way is not None:
        label = labels.tracking_label(under_way.tracking_status)
        return Link("signed", "waiting", None, under_way.tracking_number, "under_way", str(label.text))
    if order.status == OrderStatus.SHIPPED:
        cause = _("Every parcel is signed for, but the order was not completed.")
        return Link("signed", "broken", parcels[-1].delivered_at, "", "order_not_completed", cause)
    return Link("signed", "good", parcels[-1].delivered_at, parcels[-1].tracking_number)


def facts_of(orders: Sequence[Order]) -> dict[int, Facts]:
    """The open cases of the orders' parcels for the sentence of truth, by order id, the newest first. One query."""
    by_id = {order.pk: order for order in orders}
    rows = ShipmentException.objects.open().filter(order_id__in=sorted(by_id)).order_by("-pk")
    found: dict[int, list[TruthLine]] = {}
    for case in rows:
        order = by_id[case.order_id or 0]
        found.setdefault(order.pk, []).append(_case_line(case, order))
    return {order_id: Facts(cases=lines) for order_id, lines in found.items()}


def _case_line(case: ShipmentException, order: Order) -> TruthLine:
    """The buyer sees the parcel itself; the merchant hears of it while the order is on its way."""
    kind = case.get_kind_display()
    merchant = {
        ShipmentException.Kind.NOT_SIGNED: _(
            "The parcel was not signed for in time; it is being looked into."
        ),
        ShipmentException.Kind.RETURNED: _("The parcel was returned to the sender; it is being looked into."),
    }
    return TruthLine(
        code=f"case_{case.kind}",
        tone="bad",
        staff=capfirst(kind),
        merchant=merchant.get(ShipmentException.Kind(case.kind), "")
        if order.status == OrderStatus.SHIPPED
        else "",
        mark=kind,
        url_name=_CASE_PAGE,
        url_id=case.pk,
    )
