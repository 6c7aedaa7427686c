"""What keeps the goods of paid orders from leaving: one cause of an order, by its code, with what mends it.

An open case speaks first: somebody was called. Without one, the instructions and waybills are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from logistics import cases, labels
from logistics.dispatch.instructions import route
from logistics.models import (
    Dispatch,
    DispatchStatus,
    Shipment,
    ShipmentException,
    WaybillOrder,
    WaybillStatus,
)
from orders.models import Order, OrderStatus
from ordersite.lib.durations import time_since

DISPATCH_PAGE, CASE_PAGE = "admin:logistics_dispatch_change", "admin:logistics_shipmentexception_change"
WAYBILL_PAGE = "admin:logistics_waybillorder_change"
# Cases that are a cause by themselves; the kind is the code.
_CASES = (
    "out_of_stock", "dispatch_refused", "dispatch_unanswered", "waybill_unknown", "waybill_refused", "number_missing",
)  # fmt: skip
# So long an order may be without an instruction, and a waybill without an answer, before that is a cause.
_SOON = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why goods have not left. `code` is one of `diagnose`; `at` is UTC; `advice` says what mends it.

    `is_broken`: a person has to act; else it is waited for. `case_id` is the open case that says so.
    """

    code: str
    at: datetime | None
    cause: str
    advice: str
    merchant: str
    evidence: str = ""
    is_broken: bool = True
    url_name: str = ""
    url_id: int | None = None
    case_id: int | None = None


def obstacles_of(
    orders: Sequence[Order], open_cases: Iterable[ShipmentException] | None = None
) -> dict[int, Obstacle]:
    """The obstacle of each order that has one, by order id. The number of queries does not grow with the orders.

    `open_cases`: all of these orders, where the caller has read them with their warehouses.
    """
    shipping = {
        order.pk: order for order in orders if order.status in (OrderStatus.PAID, OrderStatus.SHIPPED)
    }
    if not shipping:
        return {}
    found = _by_cases(shipping, _cases_of(shipping) if open_cases is None else open_cases)
    rest = {pk: order for pk, order in shipping.items() if pk not in found}
    paid = {
        pk: order for pk, order in rest.items() if order.status == OrderStatus.PAID and not order.is_stopped
    }
    return {**_unnumbered(rest.values()), **_by_instructions(paid), **_by_waybills(paid), **found}


def _cases_of(orders: Mapping[int, Order]) -> Iterable[ShipmentException]:
    return ShipmentException.objects.open().filter(order_id__in=sorted(orders)).select_related("warehouse")


def _by_cases(orders: Mapping[int, Order], rows: Iterable[ShipmentException]) -> dict[int, Obstacle]:
    found: dict[int, Obstacle] = {}
    speaking = [case for case in rows if case.kind in _CASES and case.order_id in orders]
    for case in sorted(speaking, key=lambda case: case.pk):
        where = f" · {case.warehouse.name}" if case.warehouse else ""
        found[case.order_id or 0] = Obstacle(
            code=case.kind,
            at=case.created_at,
            cause=capfirst(f"{case.get_kind_display()}{where}"),
            advice=str(cases.what_to_do(case)),
            merchant=merchant_words(case.kind),
            evidence=f"#{case.pk}",
            url_name=CASE_PAGE,
            url_id=case.pk,
            case_id=case.pk,
        )
    return found


def merchant_words(code: str) -> str:
    words = {
        "out_of_stock": _("No warehouse has all the goods; it is being looked into."),
        "dispatch_refused": _("The warehouse has refused the order; it is being looked into."),
        "dispatch_unanswered": _("The warehouse has not answered yet; it is being looked into."),
        "not_dispatched": _("No warehouse is instructed to send the goods yet."),
        "waybill_unknown": _("The carrier has not confirmed the waybill yet."),
        "waybill_refused": _("The carrier refused the waybill; it is being looked into."),
        "number_missing": _("The waybill number is missing; it is being looked into."),
    }
    return words.get(code, "")


def _unnumbered(orders: Iterable[Order]) -> dict[int, Obstacle]:
    """Shipped orders of which no parcel is known."""
    shipped = {order.pk: order for order in orders if order.status == OrderStatus.SHIPPED}
    if not shipped:
        return {}
    known = set(Shipment.objects.filter(order_id__in=shipped).values_list("order_id", flat=True))
    return {
        pk: Obstacle(
            code="number_missing",
            at=order.shipped_at,
            cause=_("The order is shipped, but no waybill number is known."),
            advice=str(cases.WHAT_TO_DO[cases.Kind.NUMBER_MISSING]),
            merchant=merchant_words("number_missing"),
        )
        for pk, order in shipped.items()
        if pk not in known
    }


def _by_waybills(orders: Mapping[int, Order]) -> dict[int, Obstacle]:
    """What the newest waybill of each order is waiting for, or was refused for."""
    newest = {row.order_id: row for row in WaybillOrder.objects.filter(order_id__in=orders).order_by("pk")}
    now = timezone.now()
    found = {}
    for pk, row in newest.items():
        if row.status == WaybillStatus.REFUSED:
            found[pk] = _waybill("waybill_refused", row, _("The carrier refused the waybill: %(problem)s"))
        elif row.status in (WaybillStatus.REQUESTED, WaybillStatus.UNKNOWN) and row.created_at < now - _SOON:
            found[pk] = _waybill(
                "waybill_unknown", row, _("The carrier has not said whether it made the waybill. %(problem)s")
            )
    return found


def _waybill(code: str, row: WaybillOrder, words: str) -> Obstacle:
    return Obstacle(
        code=code,
        at=row.created_at,
        cause=(words % {"problem": labels.problem_label(row.last_problem)}).strip(),
        advice=str(cases.WHAT_TO_DO[cases.Kind(code)]),
        merchant=merchant_words(code),
        evidence=row.reference,
        is_broken=code == "waybill_refused",
        url_name=WAYBILL_PAGE,
        url_id=row.pk,
    )


def _by_instructions(orders: Mapping[int, Order]) -> dict[int, Obstacle]:
    """What the instructions of these orders that may ship say; nothing of shops that instruct no warehouse."""
    instructing = route.warehouses_of({order.merchant_id for order in orders.values()}) if orders else {}
    own = {pk: order for pk, order in orders.items() if order.merchant_id in instructing}
    if not own:
        return {}
    needs, now = route.needs_of(own), timezone.now()
    newest: dict[int, list[Dispatch]] = {pk: [] for pk in own}
    for row in Dispatch.objects.filter(order_id__in=own).select_related("warehouse").order_by("-pk"):
        newest[row.order_id].append(row)
    found = {}
    for pk, order in own.items():
        one = _uninstructed(order, newest[pk], now) if pk in needs else _overdue(newest[pk], now)
        if one:
            found[pk] = one
    return found


def _uninstructed(order: Order, rows: Sequence[Dispatch], now: datetime) -> Obstacle | None:
    """Nobody is instructed to send all that is left: because it was refused, taken back, or not routed yet."""
    last = rows[0] if rows else None
    if last and last.status == DispatchStatus.REFUSED:
        code = "out_of_stock" if last.refusal == "out_of_stock" else "dispatch_refused"
        words = _("%(warehouse)s does not send it: %(answer)s")
        cause = words % {"warehouse": last.warehouse.name, "answer": labels.dispatch_answer(last)}
        return _instruction(code, last, cause)
    since = last.ended_at if last and last.ended_at else order.paid_at
    if since and since > now - _SOON:
        return None
    if last and last.status == DispatchStatus.CANCELLED:
        cause = _("The instruction to %(warehouse)s was taken back.") % {"warehouse": last.warehouse.name}
        return _instruction("not_dispatched", last, cause)
    return Obstacle(
        code="not_dispatched",
        at=order.paid_at,
        cause=_("No warehouse is instructed to send what is left."),
        advice=_not_dispatched_advice(),
        merchant=merchant_words("not_dispatched"),
    )


def _overdue(rows: Sequence[Dispatch], now: datetime) -> Obstacle | None:
    late = next((row for row in rows if row.is_overdue(now)), None)
    if late is None:
        return None
    words = _("%(warehouse)s has not answered its instruction for %(time)s.")
    if late.status == DispatchStatus.ACCEPTED:
        words = _("%(warehouse)s took its instruction, but has confirmed no parcel for %(time)s.")
    since = time_since(late.accepted_at or late.created_at, now)
    cause = words % {"warehouse": late.warehouse.name, "time": since}
    return _instruction("dispatch_unanswered", late, cause)


def _instruction(code: str, row: Dispatch, cause: str) -> Obstacle:
    advice = {
        "out_of_stock": str(cases.WHAT_TO_DO[cases.Kind.OUT_OF_STOCK]),
        "dispatch_refused": str(cases.WHAT_TO_DO[cases.Kind.DISPATCH_REFUSED]),
        "dispatch_unanswered": _(
            "Ring the warehouse up: does it fetch its instructions? Else choose another warehouse."
        ),
        "not_dispatched": _not_dispatched_advice(),
    }
    return Obstacle(
        code=code,
        at=row.ended_at or row.created_at,
        cause=cause,
        advice=advice[code],
        merchant=merchant_words(code),
        evidence=f"#{row.pk}",
        url_name=DISPATCH_PAGE,
        url_id=row.pk,
    )


def _not_dispatched_advice() -> str:
    return _("Instruct a warehouse: let the rules choose, or choose one yourself.")
