"""Judges how many attempts the layers against duplicates and abuse refuse, and how many orders they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from django.db.models import Sum

from orders.models import InterceptOutcome, Merchant, MinuteCount
from orders.models.monitoring import CREATED
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.limits import Limits
from orders.monitoring.seen import Seen
from ordersite.health.models import Alert

WINDOW = 15
_KINDS = (
    (InterceptOutcome.REFUSED, "refused_attempts", Alert.Kind.MANY_REFUSED),
    (InterceptOutcome.HELD, "held_orders", Alert.Kind.MANY_HELD),
)


def many_stopped(
    merchants: Mapping[int, Merchant], limits: Mapping[int, Limits], now: datetime
) -> Iterator[Seen]:
    """Yield the shops of which the last minutes refused or held too many. One query."""
    first = minute_of(now) - WINDOW + 1
    rows = MinuteCount.objects.filter(minute__gte=first, minute__lte=minute_of(now)).order_by()
    sums: dict[int, dict[str, int]] = {}
    for shop, outcome, count in rows.values_list("merchant_id", "outcome").annotate(rows=Sum("count")):
        sums.setdefault(shop, {})[outcome] = count
    for shop in sums.keys() & merchants.keys():
        for outcome, name, kind in _KINDS:
            seen, limit = sums[shop].get(outcome, 0), getattr(limits[shop], name)
            if seen >= limit:
                orders = sums[shop].get(CREATED, 0)
                figures = {"seen": seen, "minutes": WINDOW, "orders": orders, "limit": limit}
                yield Seen(kind, merchants[shop], figures, first)
