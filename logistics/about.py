"""What logistics contributes to the pages and the API about an order. Those import nothing else of this app."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from logistics import cases, labels
from logistics.carriers.numbers import tidy_number
from logistics.cases import what_to_do
from logistics.diagnosis import links
from logistics.diagnosis import panel as dispatch
from logistics.diagnosis.obstacles import Obstacle, merchant_words, obstacles_of
from logistics.models import CarrierCall, Shipment, ShipmentException, ShipmentQuerySet, TrackingEvent
from logistics.tracking_card import Card, card, draw_way, parcels_of
from orders.models import Order, OrderStatus
from orders.truth.facts import BuyerWords, Facts, TruthLine
from orders.truth.states import join
from ordersite.lib.money import display_amount, format_amount
from ordersite.lib.panels import Entry, Item, Link, LogEnd, Panel

__all__ = ["Card", "card", "explain", "facts_of", "find", "panel", "parts", "timeline"]

MOST_FOUND = 50
MOST_CALLS = 50
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
    parcels = parcels_of(order)
    calls = _last_calls(order) if parcels else {}
    return Panel(
        title=_("Parcels"),
        items=[_item(parcel, order, calls.get(parcel.tracking_number)) for parcel in parcels],
        empty=_("No parcel yet."),
    )


def _last_calls(order: Order) -> dict[str, CarrierCall]:
    """The newest of an order's calls to carriers about each number. One query."""
    calls = CarrierCall.objects.filter(order_id=order.pk).order_by("-id").defer("request", "response")
    return {call.subject: call for call in reversed(list(calls[:MOST_CALLS]))}


def _log_end(call: CarrierCall) -> LogEnd:
    return LogEnd(_("last call to the carrier"), _call_text(call), "logistics.carriercall", call.subject)


def last_call_text(parcel: Shipment) -> str:
    """How the newest call to the carrier about a parcel went; empty when none is kept."""
    calls = CarrierCall.objects.filter(subject=parcel.tracking_number).order_by("-id")
    newest = calls.defer("request", "response").first()
    return _call_text(newest) if newest else ""


def _call_text(call: CarrierCall) -> str:
    status = _("no answer") if call.http_status is None else f"HTTP {call.http_status}"
    return f"{_moment(call.at)} · {status} · {labels.call_result(call.result).text}"


def _item(parcel: Shipment, order: Order, call: CarrierCall | None) -> Item:
    label = labels.tracking_label(parcel.tracking_status)
    facts = [(_("shipped at"), _moment(parcel.shipped_at))]
    if parcel.insured_value is not None:
        facts.append((_("insured value"), display_amount(parcel.insured_value)))
    facts.append(
        (_("last checked"), _moment(parcel.last_checked_at) if parcel.last_checked_at else _("not yet"))
    )
    if parcel.next_check_at:
        facts.append((_("checked next at"), _moment(parcel.next_check_at)))
    if parcel.last_event_at:
        facts.append((_("last event"), _moment(parcel.last_event_at)))
    if parcel.estimated_at and parcel.is_under_way:
        facts.append((_("expected at"), _moment(parcel.estimated_at)))
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
        picture=_picture(parcel, order),
        log=_log_end(call) if call else None,
    )


def _picture(parcel: Shipment, order: Order) -> SafeString:
    drawing = draw_way(parcel, order)
    return render_to_string("logistics/route.html", {"drawing": drawing}) if drawing else SafeString()


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
    return sorted([*entries, *dispatch.entries_of(order)], key=lambda entry: entry.at)


def explain(order: Order) -> list[Link]:
    """The last four links of the diagnosis: dispatched, shipped, tracked, signed for."""
    return links.explain(order, parcels_of(order))


def dispatch_panel(order: Order) -> Panel | None:
    """The box of instructions on the order page; None where its shop instructs no warehouse."""
    return dispatch.staff_panel(order)


def merchant_panel(order: Order) -> Panel | None:
    """The same as the merchant's people see it."""
    return dispatch.merchant_panel(order)


def facts_of(orders: Sequence[Order]) -> dict[int, Facts]:
    """The open cases of the orders' parcels and goods for the sentence of truth, by order id, the newest first; and what
    else keeps goods from leaving. A fixed number of queries.
    """
    by_id = {order.pk: order for order in orders}
    rows = (
        ShipmentException.objects.open()
        .filter(order_id__in=sorted(by_id))
        .select_related("shipment", "warehouse")
        .order_by("-pk")
    )
    found: dict[int, list[TruthLine]] = {}
    for case in rows:
        case.order = order = by_id[case.order_id or 0]
        found.setdefault(order.pk, []).append(_case_line(case, order))
    facts = {order_id: Facts(cases=lines) for order_id, lines in found.items()}
    for order_id, obstacle in obstacles_of(orders, rows).items():
        if obstacle.case_id is None:
            facts[order_id] = facts.get(order_id, Facts()) + Facts(requests=[_obstacle_line(obstacle)])
    return facts


def _obstacle_line(obstacle: Obstacle) -> TruthLine:
    return TruthLine(
        code=obstacle.code,
        tone="bad" if obstacle.is_broken else "waiting",
        staff=obstacle.cause,
        merchant=obstacle.merchant,
        advice=obstacle.advice,
        url_name=obstacle.url_name,
        url_id=obstacle.url_id,
    )


_SIGNED_BACK = BuyerWords(
    _("The parcel is on its way back"),
    _(
        "The carrier reports a signature besides; the shop asks whose it is. If you have the parcel, tell the shop."
    ),
)


def _case_line(case: ShipmentException, order: Order) -> TruthLine:
    """The buyer sees the parcel itself; the merchant hears of it while the order is on its way.

    Of a parcel that must not arrive both hear whatever the order's state is, for that would say something else.
    """
    if case.kind == ShipmentException.Kind.UNWANTED_PARCEL:
        return _unwanted_line(case, order)
    kind = case.get_kind_display()
    merchant = {
        ShipmentException.Kind.NOT_SIGNED: _(
            "The parcel was not signed for in time; it is being looked into."
        ),
        ShipmentException.Kind.NO_NEWS: _("The parcel has not moved for long; it is being looked into."),
        ShipmentException.Kind.NOT_PICKED_UP: _("The carrier has not picked the parcel up yet."),
        ShipmentException.Kind.FAILED_DELIVERIES: _("The carrier could not deliver the parcel."),
        ShipmentException.Kind.AT_LOCKER: _("The parcel waits to be collected by the buyer."),
        ShipmentException.Kind.RETURNED: _("The parcel was returned to the sender; it is being looked into."),
        ShipmentException.Kind.SIGNED_BACK: _(
            "The parcel was signed for on its way back; the carrier is being asked by whom."
        ),
    }
    return TruthLine(
        code=f"case_{case.kind}",
        tone="bad",
        staff=capfirst(kind),
        advice=str(what_to_do(case)),
        merchant=merchant.get(ShipmentException.Kind(case.kind), "")
        if order.status == OrderStatus.SHIPPED
        else merchant_words(case.kind),
        buyer=_SIGNED_BACK if case.kind == ShipmentException.Kind.SIGNED_BACK else None,
        mark=kind,
        url_name=_CASE_PAGE,
        url_id=case.pk,
    )


def _unwanted_line(case: ShipmentException, order: Order) -> TruthLine:
    """What staff, merchant and buyer read of a parcel that leaves or arrives although its order must not ship."""
    is_signed = bool(case.shipment and case.shipment.delivered_at)
    kind = case.get_kind_display()
    return TruthLine(
        code=f"case_{case.kind}",
        tone="bad",
        staff=capfirst(kind),
        merchant=_unwanted_for_merchants(order, is_signed=is_signed),
        buyer=_unwanted_for_buyers(order, is_signed=is_signed),
        advice=str(cases.what_to_do(case)),
        mark=kind,
        url_name=_CASE_PAGE,
        url_id=case.pk,
    )


def _unwanted_for_merchants(order: Order, *, is_signed: bool) -> str:
    """Why the parcel must not arrive, and that it does; empty where nothing stops the order any more."""
    amount = {"amount": display_amount(order.refunded_amount or order.total_amount)}
    why = {
        "held": _("The order is held."),
        "refunding": _("All of the money is on its way back to the buyer."),
        "order_refunded": _("The money went back to the buyer: %(amount)s.") % amount,
        "order_closed": _("Closed without payment."),
    }.get(cases.why_unwanted(order), "")
    signed = _("A parcel was signed for all the same; it is being looked into.")
    on_its_way = _("A parcel is on its way all the same; it is being looked into.")
    return join(why, signed if is_signed else on_its_way) if why else ""


def _unwanted_for_buyers(order: Order, *, is_signed: bool) -> BuyerWords | None:
    """A hold is the shop's to put right and alarms no buyer; but no page says that nothing has left."""
    signed = _("The parcel was signed for. The shop arranges with you how it goes back.")
    on_its_way = _(
        "A parcel is still on its way: please do not take it. If you have it, the shop arranges its return."
    )
    parcel = signed if is_signed else on_its_way
    amount = {"amount": display_amount(order.refunded_amount or order.total_amount)}
    match cases.why_unwanted(order):
        case "order_refunded":
            back = _("%(amount)s went back the way you paid.") % amount
            return BuyerWords(_("The order is refunded"), join(back, parcel))
        case "refunding":
            return BuyerWords(_("A refund is under way"), parcel)
        case "order_closed":
            return BuyerWords(_("The order is closed"), join(_("It was not paid."), parcel))
        case "held" if order.status == OrderStatus.PAID:
            return BuyerWords(_("A part has been sent"), _("The shop checks the rest before it ships."))
    return None
