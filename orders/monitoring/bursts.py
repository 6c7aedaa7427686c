"""Finds buyers and addresses that attempt many orders within minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Count

from orders.models import Intercept, InterceptOutcome, Merchant, Order
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.limits import Limits
from orders.monitoring.seen import Seen
from ordersite.health.models import Alert

# Of so many in a window the busiest are reported; more would be one story.
MOST = 50
_MOST_READ = 1_000
# The columns of an order, and where the same stands of an attempt that made none.
_IN_THE_LOG = {"buyer__outside_id": "buyer_outside_id", "client_ip": "client_ip"}
# What is counted: the column of an order, the limit and the kind of alert.
_BY = (
    ("buyer__outside_id", "buyer_attempts", Alert.Kind.BUYER_BURST),
    ("client_ip", "address_attempts", Alert.Kind.ADDRESS_BURST),
)


@dataclass(frozen=True, slots=True)
class Burst:
    """How often one buyer or address of a shop tried, and how many of these attempts were refused."""

    merchant: int
    who: str
    attempts: int
    refused: int


def bursts(merchants: Mapping[int, Merchant], limits: Mapping[int, Limits], now: datetime) -> Iterator[Seen]:
    """Yield the bursts of all shops, those with equally long windows together."""
    for minutes, group in groupby(sorted(merchants, key=lambda pk: limits[pk].burst_minutes),
                                  key=lambda pk: limits[pk].burst_minutes):  # fmt: skip
        shops, since = list(group), now - timedelta(minutes=minutes)
        for column, limit, kind in _BY:
            least = {pk: getattr(limits[pk], limit) for pk in shops}
            for burst in busiest(column, shops, since, min(least.values())):
                if burst.attempts >= least[burst.merchant]:
                    figures = {"seen": burst.attempts, "refused": burst.refused, "minutes": minutes}
                    figures |= {"limit": least[burst.merchant]}
                    yield Seen(kind, merchants[burst.merchant], figures, minute_of(since), burst.who)


def busiest(column: str, shops: Iterable[int], since: datetime, least: int) -> list[Burst]:
    """Return who tried at least so often since then, the busiest first; what was refused is an attempt too.

    A first order is counted from the second one on, so that not every buyer of a busy shop is read.
    """
    orders = Order.objects.filter(merchant_id__in=list(shops), created_at__gte=since, **{f"{column}__gt": ""})
    rows = orders.order_by().values_list("merchant_id", column).annotate(attempts=Count("id"))
    created = Counter({(shop, who): count for shop, who, count in rows.filter(attempts__gte=2)})
    refused = _refused(_IN_THE_LOG[column], shops, since)
    both = created + refused
    found = [(slot, count) for slot, count in both.most_common(MOST) if count >= least]
    return [Burst(shop, who, count, refused[shop, who]) for (shop, who), count in found]


def _refused(column: str, shops: Iterable[int], since: datetime) -> Counter[tuple[int, str]]:
    """Attempts that were refused; one key is one attempt, however often it came."""
    rows = Intercept.objects.filter(
        merchant_id__in=list(shops), at__gte=since, outcome=InterceptOutcome.REFUSED
    )
    counted = rows.filter(**{f"{column}__gt": ""}).order_by().values_list("merchant_id", column)
    attempts = counted.annotate(attempts=Count("key_digest", distinct=True)).order_by("-attempts")
    return Counter({(shop, who): count for shop, who, count in attempts[:_MOST_READ]})
