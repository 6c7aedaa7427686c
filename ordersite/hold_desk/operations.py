"""The bulk operations of the desk: release or close many reviews with one reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models import HoldReview
from ordersite.bulk_jobs.models import RowResult
from ordersite.bulk_jobs.operations import DONE, Operation, RowOutcome, RowTask, Subject, pair_up
from ordersite.hold_desk.decide import MAY_DECIDE, CloseResult, close, release

CLOSE_WORDS: Mapping[str, Promise] = {
    CloseResult.CLOSED: _("The order is closed."),
    CloseResult.CLOSE_REQUESTED: _(
        "The payment provider is queried first; the order closes as soon as it has answered."
    ),
    CloseResult.REFUND_REQUESTED: _("Its refund is requested; the order stays held until the money is back."),
    CloseResult.NOTHING_HELD: _("The review is closed; the order had left already and stays as it is."),
}


def chosen(rows: QuerySet[Any]) -> Iterable[Subject]:
    """The reviews chosen in the list, by the numbers of their orders."""
    for pk, number in rows.order_by("opened_at", "pk").values_list("pk", "order__number"):
        yield Subject(pk, number)


def find_reviews(numbers: Sequence[str]) -> Iterable[Subject]:
    """The open reviews of these orders."""
    rows = HoldReview.objects.open().filter(order__number__in=numbers).values_list("order__number", "pk")
    return pair_up(numbers, {number: (pk,) for number, pk in rows})


def _release(task: RowTask) -> RowOutcome:
    release(task.subject_id, user=task.person, reason=task.reason)
    return DONE


def _close(task: RowTask) -> RowOutcome:
    done = close(task.subject_id, user=task.person, reason=task.reason)
    return RowOutcome(RowResult.DONE, done.value)


RELEASE_HELD = Operation(
    key="release_held",
    label=pgettext_lazy("review", "Release"),
    explain=_("The orders may ship. What had left already stays as it is; only its review ends."),
    permission=MAY_DECIDE,
    run=_release,
    find=find_reviews,
    row_page="admin:orders_holdreview_change",
    needs_reason=True,
)
CLOSE_HELD = Operation(
    key="close_held",
    label=_("Close or refund"),
    explain=_(
        "Unpaid orders are closed; where a payment was started, the provider is queried first. Of paid orders a refund is "
        "requested, which a second person approves; they stay held until the money is back."
    ),
    permission=MAY_DECIDE,
    run=_close,
    find=find_reviews,
    row_page="admin:orders_holdreview_change",
    words=CLOSE_WORDS,
    needs_reason=True,
)
OPERATIONS = (RELEASE_HELD, CLOSE_HELD)
