"""The money limits of a person: the highest amount that one of their roles allows."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth.models import AbstractUser
from django.db.models import Max

from orders.approvals.errors import beyond_limit
from orders.models import MoneyLimit
from ordersite.lib.money import ZERO


def limit_of(user: AbstractUser, action: MoneyLimit.LimitedAction) -> Decimal | None:
    """The highest amount (yuan) that the roles of this person allow for one case; None: no limit is set.

    Superusers have none either. A refund without approval is zero unless a role allows more.
    """
    if user.is_superuser:
        return None
    rows = MoneyLimit.objects.filter(role__in=user.groups.all(), action=action)
    highest: Decimal | None = rows.aggregate(highest=Max("amount"))["highest"]
    return ZERO if highest is None and action == MoneyLimit.LimitedAction.REFUND_ALONE else highest


def is_within(user: AbstractUser, action: MoneyLimit.LimitedAction, amount: Decimal) -> bool:
    """Whether the limits of this person allow this amount (yuan). Permissions are the caller's matter."""
    limit = limit_of(user, action)
    return limit is None or amount <= limit


def check_limit(user: AbstractUser, action: MoneyLimit.LimitedAction | None, amount: Decimal | None) -> None:
    """Raise `DomainError` beyond_limit where the amount (yuan) exceeds the limit; no action or amount: no limit."""
    if action is None or amount is None:
        return
    limit = limit_of(user, action)
    if limit is not None and amount > limit:
        raise beyond_limit(amount, limit)
