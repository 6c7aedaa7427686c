"""A person's correction of what is on a shelf, for a count that nobody reported."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics.models import Stock
from logistics.stock import ledger, levels
from logistics.stock.ledger import Shelf
from ordersite.lib.errors import DomainError
from ordersite.queue import audit

MOST_ON_HAND = 10_000_000


def correct(stock_id: int, *, on_hand: int, expected: int | None, by: AbstractUser, reason: str) -> None:
    """Set what is on hand; orders that waited for the product are routed. Audited.

    `expected` is the figure that the person saw. Raises `DomainError`: stock_invalid for a figure below zero or beyond
    belief, stock_changed where it is another by now; nothing is changed then.
    """
    if not 0 <= on_hand <= MOST_ON_HAND:
        raise DomainError("stock_invalid", _("What is on hand is a number from 0 to 10,000,000."))
    place = Stock.objects.select_related("warehouse__merchant").get(pk=stock_id)
    shelf = Shelf(place.warehouse_id, place.product_id)
    with transaction.atomic():
        stock = ledger.lock([shelf])
        row = stock.rows[shelf]
        if row.on_hand != expected:
            raise DomainError(
                "stock_changed",
                _("It has become %(on_hand)s meanwhile: look again before you correct it."),
                on_hand="–" if row.on_hand is None else row.on_hand,
            )
        before = "" if row.on_hand is None else str(row.on_hand)
        now = timezone.now()
        stock.correct(shelf, on_hand, at=now, by=by.get_username(), reason=reason)
        stock.save()
        change = audit.AuditedChange(Stock._meta.db_table, stock_id, "on_hand", before, str(on_hand))
        audit.record([change], actor=f"staff: {by.get_username()}")
        if on_hand:
            levels.wake_waiting(place.warehouse.merchant, [place.product_id], at=now)
