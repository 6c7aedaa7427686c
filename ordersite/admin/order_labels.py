"""Labels of an order's state, and the sentence about its next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _

from orders.closing import closing_estimate
from orders.models import Order, OrderStatus
from ordersite.lib.panels import Link

S = OrderStatus
STATUS_TONES: dict[str, str] = {
    S.PENDING: "waiting",
    S.PAID: "moving",
    S.SHIPPED: "moving",
    S.COMPLETED: "good",
    S.CLOSED: "plain",
    S.REFUNDED: "bad",
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step of an order, and the causes that keep it from moving."""

    text: str | Promise
    tone: str
    causes: Sequence[str | Promise] = ()


def next_step(order: Order, links: Sequence[Link]) -> NextStep:
    """Build the box at the top of the order page. Broken links of the diagnosis are its causes."""
    causes = [link.cause or link.name for link in links if link.state == "broken"]
    tone = "bad" if causes else STATUS_TONES[order.status]
    return NextStep(_sentence(order), tone, causes)


def _sentence(order: Order) -> str:
    now = timezone.now()
    if order.status == S.PENDING:
        return _pending(order, now)
    if order.status == S.PAID:
        return _("Waiting for the warehouse for %(time)s.") % {"time": _since(order.paid_at, now)}
    if order.status == S.SHIPPED:
        return _("On its way for %(time)s, not signed for yet.") % {"time": _since(order.shipped_at, now)}
    if order.status == S.COMPLETED:
        return _("Done: signed for.")
    if order.status == S.CLOSED:
        return _("Closed without payment. Nothing is left to do.")
    return _("Refunded in full.")


def _pending(order: Order, now: datetime) -> str:
    if order.closing_at:
        return _closing(order.closing_at, now)
    if order.close_due_at > now:
        return _("Waiting for the buyer's payment. Closes by itself in %(time)s.") % {
            "time": timeuntil(order.close_due_at, now)
        }
    return _("Overdue: it is closed in a moment.")


def _closing(since: datetime, now: datetime) -> str:
    estimate = closing_estimate()
    return _(
        "Being closed: the payment provider is queried first, for %(time)s. %(orders)d orders wait for an answer, "
        "about %(seconds)d s more."
    ) % {"time": _since(since, now), "orders": estimate.waiting, "seconds": estimate.seconds}


def _since(at: datetime | None, now: datetime) -> str:
    return timesince(at, now) if at else "–"
