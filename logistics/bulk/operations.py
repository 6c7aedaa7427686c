"""The bulk operations of logistics."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics import labels
from logistics.bulk import found
from logistics.dispatch.instructions import by_hand
from logistics.models import Shipment, WaybillOrder
from logistics.tracking import poll
from logistics.tracking.coverage import floors_by_carrier
from logistics.tracking.poll import set_tier
from logistics.waybills import errors
from logistics.waybills.pdf.labels import MOST_LABELS, check_label, print_labels
from orders.history.lines import Actor
from ordersite.bulk_jobs.models import BulkJob, BulkRow, RowResult
from ordersite.bulk_jobs.operations import DONE, Operation, RowOutcome, RowTask, skipped
from ordersite.bulk_jobs.run import fail_done_row
from ordersite.lib.errors import DomainError

POLLING = "logistics.resolve_shipmentexception"


def _parcel(task: RowTask) -> Shipment:
    return Shipment.objects.get(pk=task.subject_id)


def _poll_first(task: RowTask) -> RowOutcome:
    return _change_tier(_parcel(task), is_important=True)


def _poll_as_usual(task: RowTask) -> RowOutcome:
    return _change_tier(_parcel(task), is_important=False)


def _change_tier(parcel: Shipment, *, is_important: bool) -> RowOutcome:
    if not parcel.is_polled:
        return skipped("too_old" if parcel.is_under_way else "arrived")
    if parcel.is_important == is_important:
        return skipped("already")
    set_tier(parcel.order_id, is_important=is_important)
    return DONE


def _poll_now(task: RowTask) -> RowOutcome:
    """Make the parcel due; the pollers keep the carrier's floors. Skipped where these do not allow it yet."""
    parcel = _parcel(task)
    if not parcel.is_polled:
        return skipped("too_old" if parcel.is_under_way else "arrived")
    allowed_at = poll.refresh_allowed_at(parcel, floors_by_carrier(parcel.merchant_id))
    if allowed_at is None:
        return skipped("no_account")
    if allowed_at > timezone.now():
        return skipped("too_soon")
    poll.poll_soon([parcel])
    return DONE


def _route(task: RowTask) -> RowOutcome:
    """Route by the rules. An order without goods is no failure: that would take its case back."""
    try:
        made = by_hand.route_again(task.subject_id, actor=Actor("staff", task.username), reason=task.reason)
    except DomainError as refused:
        if refused.code != "nothing_left":
            raise
        return skipped(refused.code)
    return DONE if made else skipped("no_goods")


def _waybill(task: RowTask) -> WaybillOrder:
    return WaybillOrder.objects.select_related("order", "warehouse").get(pk=task.subject_id)


def _check_label(task: RowTask) -> None:
    check_label(_waybill(task))


def _made(task: RowTask) -> RowOutcome:
    """Whether it is still made: it may have been cancelled since its label was read."""
    if not _waybill(task).is_printable:
        raise errors.label_missing()
    return DONE


def _print(job: BulkJob) -> str:
    rows = {row.subject_id: row for row in _done_rows(job)}

    def failed(waybill_id: int, refused: DomainError) -> None:
        fail_done_row(rows[waybill_id], refused)

    return print_labels([pk for pk in rows if pk is not None], failed)


def _done_rows(job: BulkJob) -> list[BulkRow]:
    return list(BulkRow.objects.filter(job=job, result=RowResult.DONE).order_by("position"))


PRINT_LABELS = Operation(
    key="print_labels",
    label=_("Labels as one PDF"),
    explain=_(
        "The carrier's own labels, and ours where the carrier gave none, become one PDF in this order. A label that "
        "cannot be printed is left out and named."
    ),
    permission="logistics.print_label",
    before=_check_label,
    run=_made,
    find=found.find_waybills,
    row_page="admin:logistics_waybillorder_change",
    words={
        "label_missing": _("There is no label: the waybill was not ordered here, or is not made."),
        "label_unreadable": _("The carrier's label file is broken: fetch or print it at the carrier."),
        "label_file_missing": _("The carrier's label file is gone from the storage."),
    },
    most=MOST_LABELS,
    finish=_print,
    file_name="labels.pdf",
)
_POLL_WORDS = {**labels.REFRESH_REFUSALS, "already": _("It was polled so already.")}
POLL_FIRST = Operation(
    key="poll_first",
    label=_("Poll first and sooner"),
    explain=_("The parcels of these orders are polled before others, and in the rhythm of important buyers."),
    permission=POLLING,
    run=_poll_first,
    find=found.find_parcels,
    row_page="admin:logistics_shipment_change",
    words=_POLL_WORDS,
)
POLL_AS_USUAL = Operation(
    key="poll_as_usual",
    label=_("Poll as usual"),
    explain=_("The parcels of these orders are polled as those of all other buyers."),
    permission=POLLING,
    run=_poll_as_usual,
    find=found.find_parcels,
    row_page="admin:logistics_shipment_change",
    words=_POLL_WORDS,
)
POLL_NOW = Operation(
    key="poll_now",
    label=_("Poll the carrier"),
    explain=_(
        "The parcels become due at once and are polled as fast as the carriers' rate limits allow; one that was polled "
        "a moment ago is skipped."
    ),
    permission=POLLING,
    run=_poll_now,
    find=found.find_parcels,
    row_page="admin:logistics_shipment_change",
    words=_POLL_WORDS,
)
ROUTE_AGAIN = Operation(
    key="route_again",
    label=_("Route again"),
    explain=_(
        "Warehouses that get instructions are chosen anew for what is left of these paid orders and is in no "
        "open instruction."
    ),
    permission=by_hand.MANAGE,
    run=_route,
    needs_reason=True,
    find=found.find_orders,
    row_page="admin:orders_order_change",
    words={
        "nothing_left": _("All of it is in a parcel or an open instruction already."),
        "no_goods": _("No warehouse has the goods: the order stays a case."),
    },
)
OPERATIONS = (PRINT_LABELS, POLL_NOW, POLL_FIRST, POLL_AS_USUAL, ROUTE_AGAIN)
