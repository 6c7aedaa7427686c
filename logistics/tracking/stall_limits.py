"""Which parcels under way count as stalled, by the limits of their merchant and carrier.

Every query has one bound that an index answers: the shortest limit of all. What the rules say is looked at among those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from logistics.carriers.types import TrackingStatus
from logistics.models import Shipment, ShipmentException, StallRule, TrackingEvent
from logistics.tracking.silent_accounts import NO_ANSWER

Kind = ShipmentException.Kind
Condition = Callable[[float], Q]
OUT, FAILED = TrackingStatus.OUT_FOR_DELIVERY.value, TrackingStatus.EXCEPTION.value
PENDING, IN_LOCKER = TrackingStatus.PENDING.value, TrackingStatus.READY_FOR_PICKUP.value
NO_NEWS_HOURS, PICK_UP_HOURS, LOCKER_HOURS, FAILED_DELIVERIES = 72, 24, 48, 2


class StallLimits:
    """The rules of all merchants, read once, at `now` (UTC)."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._rules = list(StallRule.objects.order_by("pk"))

    def stalled(self, under_way: QuerySet[Shipment]) -> Iterator[tuple[str, QuerySet[Shipment]]]:
        """The parcels of each kind of case. Where the carrier says nothing at all, that is another case."""
        heard = Q(last_checked_at__gte=self._now - NO_ANSWER)
        moving = under_way.filter(heard).exclude(tracking_status__in=(PENDING, IN_LOCKER))
        yield Kind.NOT_SIGNED, under_way.filter(self._limit("signature_hours", self._before("shipped_at")))
        yield Kind.NO_NEWS, moving.filter(self._limit("no_news_hours", self._before("last_event_at")))
        yield (
            Kind.NOT_PICKED_UP,
            under_way.filter(heard, tracking_status=PENDING).filter(
                self._limit("pick_up_hours", self._before("shipped_at"))
            ),
        )
        yield (
            Kind.AT_LOCKER,
            under_way.filter(tracking_status=IN_LOCKER).filter(
                self._limit("locker_hours", self._in_locker_before)
            ),
        )
        yield (
            Kind.FAILED_DELIVERIES,
            _with_failures(under_way.filter(tracking_status__in=(OUT, FAILED))).filter(
                self._limit("failed_deliveries", lambda least: Q(failures__gte=least))
            ),
        )

    def _limit(self, column: str, condition: Condition) -> Q:
        """What a limit says of each parcel: its carrier's rule, else its merchant's, else the default."""
        values = {
            (rule.merchant_id, rule.carrier): float(value)
            for rule in self._rules
            if (value := getattr(rule, column)) is not None
        }
        default = _default(column)
        found, ruled = Q(), Q(pk__in=[])
        for (merchant, carrier), value in sorted(values.items()):
            of_rule = Q(merchant=merchant)
            own = [name for shop, name in values if shop == merchant and name]
            of_rule &= Q(carrier=carrier) if carrier else ~Q(carrier__in=own)
            found |= of_rule & condition(value)
            ruled |= of_rule
        bound = condition(min([default, *values.values()]))
        return bound & (found | (~ruled & condition(default))) if values else bound

    def _before(self, column: str) -> Condition:
        return lambda hours: Q(**{f"{column}__lt": self._now - timedelta(hours=hours)})

    def _in_locker_before(self, hours: float) -> Q:
        events = TrackingEvent.objects.filter(shipment=OuterRef("pk"), status=IN_LOCKER)
        return Q(Exists(events.filter(at__lt=self._now - timedelta(hours=hours))))


def _default(column: str) -> float:
    defaults = {
        "no_news_hours": NO_NEWS_HOURS,
        "pick_up_hours": PICK_UP_HOURS,
        "locker_hours": LOCKER_HOURS,
        "failed_deliveries": FAILED_DELIVERIES,
        "signature_hours": settings.PARCEL_SILENCE_DAYS * 24,
    }
    return float(defaults[column])


def _with_failures(parcels: QuerySet[Shipment]) -> QuerySet[Shipment]:
    """Add `failures`: the deliveries after which a problem was reported before the parcel went out again."""
    events = TrackingEvent.objects.filter(shipment=OuterRef("shipment"))
    out_again = events.filter(status=OUT, at__gt=OuterRef(OuterRef("at")), at__lte=OuterRef("at"))
    failed = events.filter(status=FAILED, at__gte=OuterRef("at")).exclude(Exists(out_again))
    tried = TrackingEvent.objects.filter(Exists(failed), shipment=OuterRef("pk"), status=OUT)
    counted = tried.order_by().values("shipment").annotate(n=Count("pk")).values("n")
    return parcels.annotate(failures=Coalesce(Subquery(counted), 0))
