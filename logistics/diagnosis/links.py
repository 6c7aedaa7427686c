"""The last links of the diagnosis: dispatched, shipped, tracked, signed for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from logistics import labels
from logistics.cases import WHAT_TO_DO, what_to_do
from logistics.diagnosis.obstacles import Obstacle, obstacles_of
from logistics.diagnosis.panel import rows_of
from logistics.models import Dispatch, DispatchStatus, Shipment, ShipmentException, ShipmentStatus
from logistics.tracking.coverage import coverage_of
from orders.models import Order, OrderStatus
from ordersite.lib.durations import time_since
from ordersite.lib.panels import Link

Kind = ShipmentException.Kind
# What the last poll of a parcel brought; anything else is a carrier that did not answer.
_PROBLEMS = {
    "nothing_found": "carrier_knows_nothing",
    "phone_needed": "carrier_refuses",
    "not_accepted": "carrier_refuses",
    "refused": "carrier_refuses",
    "out_of_funds": "carrier_account_unusable",
    "misconfigured": "carrier_account_unusable",
    "cannot_open": "carrier_account_unusable",
    "bad_address": "carrier_account_unusable",
    "switched_off": "carrier_account_unusable",
    "not_asked": "not_polled",
}
# The cause that an open case of a parcel is.
_SIGNED_CODES = {
    Kind.RETURNED.value: "parcel_returned",
    Kind.SIGNED_BACK.value: "parcel_returned",
    Kind.FAILED_DELIVERIES.value: "parcel_problem",
    Kind.AT_LOCKER.value: "waits_for_pickup",
    Kind.NOT_PICKED_UP.value: "parcel_stalled",
    Kind.NO_NEWS.value: "parcel_stalled",
    Kind.NOT_SIGNED.value: "parcel_stalled",
    Kind.CARRIER_SILENT.value: "parcel_stalled",
    Kind.ORDER_NOT_COMPLETED.value: "order_not_completed",
}
_MOVING = {
    "ready_for_pickup": "waits_for_pickup", "exception": "parcel_problem", "returning": "parcel_returned",
}  # fmt: skip
_OF_DISPATCH = frozenset({"not_dispatched", "dispatch_unanswered", "dispatch_refused", "out_of_stock"})


def explain(order: Order, parcels: Sequence[Shipment]) -> list[Link]:
    """The links of an order with these parcels. A fixed number of queries."""
    obstacle = obstacles_of([order]).get(order.pk)
    rows = rows_of(order)
    cases = _open_cases(order) if parcels else []
    return [
        _dispatched_link(order, rows, obstacle),
        _shipped_link(order, parcels, rows, obstacle),
        _tracked_link(parcels, cases),
        _signed_link(order, parcels, cases),
    ]


def _broken_by(name: str, obstacle: Obstacle) -> Link:
    return Link(
        name,
        "broken" if obstacle.is_broken else "waiting",
        obstacle.at,
        obstacle.evidence,
        obstacle.code,
        obstacle.cause,
        advice=obstacle.advice,
    )


def _dispatched_link(order: Order, rows: Sequence[Dispatch], obstacle: Obstacle | None) -> Link:
    """Instructions are made for paid orders of shops whose warehouses take them."""
    if obstacle and obstacle.code in _OF_DISPATCH:
        return _broken_by("dispatched", obstacle)
    live = [row for row in rows if row.is_open or row.status == DispatchStatus.SHIPPED]
    if not live:
        return Link("dispatched", "not_applicable")
    return Link("dispatched", "good", live[0].created_at, f"{live[0].warehouse.name} #{live[0].pk}")


def _shipped_link(
    order: Order, parcels: Sequence[Shipment], rows: Sequence[Dispatch], obstacle: Obstacle | None
) -> Link:
    name = "shipped"
    if obstacle and obstacle.code not in _OF_DISPATCH:
        return _broken_by(name, obstacle)
    if parcels and order.status != OrderStatus.PAID:
        return Link(name, "good", parcels[-1].shipped_at, parcels[-1].tracking_number)
    if order.status != OrderStatus.PAID:
        return Link(name, "not_applicable")
    if order.held:
        cause = _("The order is held and must not ship.")
        advice = _("Look into why it is held: release it, or refund it.")
        return Link(name, "broken", cause_code="held", cause=cause, advice=advice)
    if order.is_stopped:
        cause = _("A refund of the order is under way: it must not ship meanwhile.")
        return Link(name, "waiting", order.paid_at, cause_code="refund_under_way", cause=cause)
    return _not_shipped(order, bool(parcels), [row for row in rows if row.is_open])


def _not_shipped(order: Order, is_partly: bool, rows: Sequence[Dispatch]) -> Link:
    cause = _("The warehouse has sent a part.") if is_partly else _("The warehouse has not confirmed yet.")
    if rows:
        since = _("%(warehouse)s has had its instruction for %(time)s.")
        oldest = rows[-1]
        cause = (
            f"{cause} {since % {'warehouse': oldest.warehouse.name, 'time': time_since(oldest.created_at)}}"
        )
    advice = _("Ask the warehouse when it sends the goods; its confirmation ships the order.")
    at = rows[-1].created_at if rows else order.paid_at
    return Link("shipped", "waiting", at, cause_code="not_shipped", cause=cause, advice=advice)


def _tracked_link(parcels: Sequence[Shipment], cases: Sequence[ShipmentException]) -> Link:
    if not parcels:
        return Link("tracked", "not_applicable")
    under_way = [parcel for parcel in parcels if parcel.is_under_way]
    worst = next((parcel for parcel in under_way if parcel.last_problem), None)
    if worst is not None:
        return _problem(worst)
    late = next((parcel for parcel in under_way if _is_late(parcel)), None)
    if late is not None:
        return _unpolled(late)
    refused = next((case for case in cases if case.kind == Kind.PUSH_REJECTED), None)
    if under_way and refused:
        # What is polled all the same is heard of later, and not lost.
        is_heard_of = all(_is_checked_since(parcel, refused.created_at) for parcel in under_way)
        return _case_link("tracked", "push_refused", refused, state="waiting" if is_heard_of else "broken")
    unpolled = next((parcel for parcel in parcels if parcel.last_checked_at is None), None)
    if unpolled is not None:
        return _unpolled(unpolled)
    return Link("tracked", "good", parcels[-1].last_checked_at, parcels[-1].tracking_number)


def _problem(parcel: Shipment) -> Link:
    problem = parcel.last_problem.partition(":")[0]
    code = _PROBLEMS.get(problem, "carrier_unreachable")
    return Link(
        "tracked",
        "waiting" if code == "carrier_knows_nothing" else "broken",
        parcel.last_poll_at,
        parcel.tracking_number,
        code,
        labels.problem_label(parcel.last_problem),
        advice=_advice(code),
    )


def _is_late(parcel: Shipment) -> bool:
    """Whether its next poll is overdue by more than the time between two."""
    patience = timedelta(hours=settings.TRACKING_POLL_HOURS)
    return parcel.next_check_at is not None and timezone.now() - parcel.next_check_at > patience


def _is_checked_since(parcel: Shipment, moment: datetime) -> bool:
    return parcel.last_checked_at is not None and parcel.last_checked_at > moment


def _unpolled(parcel: Shipment) -> Link:
    number = parcel.tracking_number
    if coverage_of(parcel.merchant_id, parcel.carrier) is None:
        cause = str(labels.REFRESH_REFUSALS["no_account"])
        code = "carrier_account_missing"
        return Link("tracked", "broken", parcel.last_poll_at, number, code, cause, advice=_advice(code))
    if not _is_late(parcel):
        return Link("tracked", "waiting", None, number, "not_polled", _("Not polled yet."))
    words = _("The carrier should have been asked about this parcel %(time)s ago, and was not.")
    cause = words % {"time": time_since(parcel.next_check_at)}
    return Link(
        "tracked", "broken", parcel.next_check_at, number, "not_polled", cause, advice=_advice("not_polled")
    )


def _advice(code: str) -> str:
    words = {
        "carrier_account_missing": _(
            "Add an account of this carrier, or one of Kuaidi100, in the carrier accounts."
        ),
        "carrier_account_unusable": _(
            "Put the carrier account right and try its connection; the parcels follow."
        ),
        "carrier_unreachable": _(
            "It is polled again by itself. If it lasts, ask the carrier whether its interface is down."
        ),
        "carrier_knows_nothing": _(
            "See whether the waybill number is right, and whether the parcel was handed over."
        ),
        "not_polled": _("Poll it now. If others wait too, the worker of the queue “outside” does not run."),
    }
    return words.get(code, "")


def _case_link(name: str, code: str, case: ShipmentException, *, state: str = "broken") -> Link:
    cause = capfirst(str(case.get_kind_display()))
    return Link(name, state, case.created_at, f"#{case.pk}", code, cause, advice=str(what_to_do(case)))


def _signed_link(order: Order, parcels: Sequence[Shipment], cases: Sequence[ShipmentException]) -> Link:
    if not parcels:
        return Link("signed", "not_applicable")
    if case := next((case for case in cases if case.kind in _SIGNED_CODES), None):
        return _case_link("signed", _SIGNED_CODES[case.kind], case)
    back = next((parcel for parcel in parcels if parcel.status == ShipmentStatus.RETURNED), None)
    if back is not None:
        cause = _("The parcel went back to the sender.")
        return Link("signed", "broken", back.last_event_at, back.tracking_number, "parcel_returned", cause)
    under_way = next((parcel for parcel in parcels if parcel.is_under_way), None)
    if under_way is not None:
        label = labels.tracking_label(under_way.tracking_status)
        code = _MOVING.get(str(under_way.tracking_status), "under_way")
        state = "broken" if code == "parcel_problem" else "waiting"
        return Link("signed", state, None, under_way.tracking_number, code, str(label.text))
    if order.status == OrderStatus.SHIPPED:
        cause = _("Every parcel is signed for, but the order was not completed.")
        advice = str(WHAT_TO_DO[Kind.ORDER_NOT_COMPLETED])
        return Link(
            "signed", "broken", parcels[-1].delivered_at, "", "order_not_completed", cause, advice=advice
        )
    return Link("signed", "good", parcels[-1].delivered_at, parcels[-1].tracking_number)


def _open_cases(order: Order) -> list[ShipmentException]:
    """Those of the order, and those of its shop's carrier accounts whose pushes are refused."""
    mine = Q(order_id=order.pk) | Q(kind=Kind.PUSH_REJECTED, account__merchant_id=order.merchant_id)
    rows = ShipmentException.objects.open().filter(mine).select_related("shipment", "warehouse")
    cases = list(rows.order_by("pk"))
    for case in cases:
        if case.order_id == order.pk:
            case.order = order
    return cases
