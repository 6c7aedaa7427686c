"""Whether a person may move so much money: the permission first, then the limits of the person's roles."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth.models import AbstractUser
from django.db.models import Max

from ordersite.lib.money import ZERO
from payments.models import MoneyLimit


def limit_of(user: AbstractUser, deed: MoneyLimit.Deed) -> Decimal | None:
    """The highest amount (yuan) that the roles of this person allow for one case; None: no limit is set.

    Superusers have none either. A refund without approval is zero unless a role allows more.
    """
    if user.is_superuser:
        return None
    rows = MoneyLimit.objects.filter(role__in=user.groups.all(), deed=deed)
    highest: Decimal | None = rows.aggregate(highest=Max("amount"))["highest"]
    return ZERO if highest is None and deed == MoneyLimit.Deed.REFUND_ALONE else highest


def is_within(user: AbstractUser, deed: MoneyLimit.Deed, amount: Decimal) -> bool:
    """Whether the limits of this person allow this amount (yuan). Permissions are the caller's matter."""
    limit = limit_of(user, deed)
    return limit is None or amount <= limit
