"""The bulk operations on orders: hold, release or close many with one reason. Each order is judged under its own lock."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from logistics.bulk.found import find_orders
from orders import closing, machine
from orders.history.lines import Actor
from orders.models import Order, OrderStatus
from orders.risk import reviews
from ordersite.bulk_jobs.models import RowResult
from ordersite.bulk_jobs.operations import DONE, Operation, RowOutcome, RowTask, skipped
from ordersite.lib.errors import DomainError

CLOSE, HOLD = "orders.close_order", "orders.hold_order"
ORDER_PAGE = "admin:orders_order_change"
ALREADY_CLOSED = "already_closed"


def _hold(task: RowTask) -> RowOutcome:
    try:
        reviews.hold_order(task.subject_id, user=task.person, reason=task.reason)
    except DomainError as refused:
        return _skipped_as(refused, "already_held")
    return DONE


def _release(task: RowTask) -> RowOutcome:
    try:
        reviews.release_order(task.subject_id, user=task.person, reason=task.reason)
    except DomainError as refused:
        return _skipped_as(refused, "not_held")
    return DONE


def _close(task: RowTask) -> RowOutcome:
    order = Order.objects.only("number", "status").get(pk=task.subject_id)
    if order.status == OrderStatus.CLOSED:
        return skipped(ALREADY_CLOSED)
    done = closing.cancel(
        order.number,
        reason=task.reason,
        actor=Actor("staff", task.username),
        trigger=machine.STAFF_CANCEL,
    )
    return RowOutcome(RowResult.DONE, done.value)


def _skipped_as(refused: DomainError, code: str) -> RowOutcome:
    """Skip where the order is already so. Raises the refusal otherwise."""
    if refused.code != code:
        raise refused
    return skipped(code)


HOLD_ORDERS = Operation(
    key="hold_orders",
    label=_("Hold orders"),
    explain=_(
        "The orders that have not left stay until somebody releases them; what warehouses were instructed to send of them "
        "is taken back."
    ),
    permission=HOLD,
    run=_hold,
    find=find_orders,
    row_page=ORDER_PAGE,
    needs_reason=True,
    words={"already_held": _("It is held already.")},
)
RELEASE_ORDERS = Operation(
    key="release_orders",
    label=_("Release orders"),
    explain=_("The held orders may ship, and their reviews end."),
    permission=HOLD,
    run=_release,
    find=find_orders,
    row_page=ORDER_PAGE,
    needs_reason=True,
    words={"not_held": _("It is not held.")},
)
CLOSE_ORDERS = Operation(
    key="close_orders",
    label=_("Close orders"),
    explain=_(
        "Unpaid orders are closed. Where a payment was started, the provider is queried first: a payment that is there "
        "wins. Paid orders stay as they are."
    ),
    permission=CLOSE,
    run=_close,
    find=find_orders,
    row_page=ORDER_PAGE,
    needs_reason=True,
    words={
        ALREADY_CLOSED: _("It is closed already."),
        closing.CancelResult.CLOSED: _("The order is closed."),
        closing.CancelResult.CLOSE_REQUESTED: _(
            "The payment provider is queried first; the order closes as soon as it has answered."
        ),
    },
)
OPERATIONS = (HOLD_ORDERS, RELEASE_ORDERS, CLOSE_ORDERS)
