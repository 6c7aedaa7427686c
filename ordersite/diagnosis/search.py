"""Diagnoses what somebody reads out: an order number, a payment's, a provider's or a parcel's number, or a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.utils.translation import gettext as _

from orders.models import Order
from ordersite.diagnosis.diagnose import Diagnosis, diagnose, judge
from ordersite.diagnosis.rooms import ROOMS
from ordersite.lib.panels import Link
from payments.models import PaymentNotification, StatementLine

Person = User | AnonymousUser
# Of so many orders the newest with a broken link is looked for.
MOST_LOOKED_AT = 20


def diagnose_query(
    query: str, user: Person | None = None, *, find: Callable[[str], Sequence[int]] | None = None
) -> Diagnosis | None:
    """Diagnose what this query names; None where nothing is known under it.

    Of several orders the newest with a broken link speaks, else the newest. `find` finds the orders' ids; unless given,
    whole phone numbers find orders too, so the caller has to record the look.
    """
    ids = list((find or find_ids)(query))
    if not ids:
        return diagnose_without_order(query.strip(), user)
    orders = list(Order.objects.filter(pk__in=ids).select_related("merchant", "buyer").order_by("-pk"))
    found = None
    for order in orders[:MOST_LOOKED_AT]:
        one = diagnose(order, user)
        found = found or one
        if one.is_broken:
            found = one
            break
    if found is None or found.order is None:
        return None
    others = [order.number for order in orders if order.pk != found.order.pk]
    return replace(found, others=others)


def find_ids(query: str) -> Sequence[int]:
    """Ids of the orders that this query names; the first app that knows it decides."""
    return next((ids for room in ROOMS if (ids := room.find(query))), [])


def diagnose_without_order(number: str, user: Person | None = None) -> Diagnosis | None:
    """Money that arrived, or stands in a statement, under a number of which there is no order."""
    if not number or len(number) > 64:
        return None
    link = _of_notification(number) or _of_statement(number)
    return judge(number, [link], user) if link else None


def _of_notification(number: str) -> Link | None:
    found = _notification(number)
    if found is None:
        return None
    words = _("A payment with this number arrived for the account %(account)s, and no order has it.")
    advice = _(
        "Find the order by the buyer and the amount and propose a manual settlement, or refund the money."
    )
    return Link(
        "notification", "broken", found.received_at, f"#{found.pk}", "unknown_reference",
        words % {"account": found.account.slug}, advice=advice,
    )  # fmt: skip


def _of_statement(number: str) -> Link | None:
    found = _statement_line(number)
    if found is None:
        return None
    words = _("A statement of the account %(account)s shows money under this number, and no order has it.")
    advice = _(
        "Compare the line with the orders of that day and amount, then settle it from the statement or by hand."
    )
    return Link(
        "statement", "broken", found.occurred_at, f"#{found.pk}", "statement_shows_money",
        words % {"account": found.account.slug}, advice=advice,
    )  # fmt: skip


def _notification(number: str) -> PaymentNotification | None:
    """By our number among all, by the provider's among those whose order nobody knows: that is what indexes serve."""
    rows = PaymentNotification.objects.verified().select_related("account").order_by("-pk")
    unknown = rows.filter(outcome=PaymentNotification.Outcome.UNKNOWN_ORDER)
    return rows.filter(reference=number).first() or unknown.filter(provider_reference=number).first()


def _statement_line(number: str) -> StatementLine | None:
    lines = StatementLine.objects.filter(Q(reference=number) | Q(provider_reference=number))
    unmatched = lines.exclude(result=StatementLine.Result.MATCHED)
    return unmatched.select_related("account").order_by("-pk").first()
