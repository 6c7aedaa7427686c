"""What the page on monitoring shows of one shop, or of all: counts by steps of time, what is usual, who tries often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, QuerySet, Sum
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.admin.monitoring.chart import Chart, Interval, chart_of
from orders.models import HourCount, InterceptLayer, InterceptOutcome, Merchant, MinuteCount
from orders.models.monitoring import CREATED
from orders.models.monitoring.minutes import minute_of, moment_of
from orders.monitoring.usual import LEAST_WEEKS, Past, past_of

Slot = tuple[str, str]
Table = dict[int, dict[Slot, int]]


@dataclass(frozen=True, slots=True)
class Span:
    """How far the page looks back, and in which steps; both in minutes."""

    code: str
    label: str | Promise
    minutes: int
    step: int

    def first(self, now: datetime) -> int:
        """The minute (since 1970) at which the first step begins."""
        return (minute_of(now) // self.step + 1) * self.step - self.minutes


SPANS = (
    Span("hour", _("last hour"), 60, 1),
    Span("day", _("last 24 hours"), 24 * 60, 15),
    Span("week", _("last 7 days"), 7 * 24 * 60, 60),
)


@dataclass(frozen=True, slots=True)
class View:
    """What was chosen: a shop or all of them (None), a span, and the moment (UTC) up to which it is shown."""

    merchant: Merchant | None
    span: Span
    now: datetime

    @property
    def starts(self) -> range:
        first = self.span.first(self.now)
        return range(first, first + self.span.minutes, self.span.step)

    def past(self) -> Past | None:
        """What came before, of one shop: what is usual is known of each shop, not of all together."""
        hours = range(self.starts.start // 60 - 1, minute_of(self.now) // 60 + 2)
        return past_of(self.merchant.pk, hours) if self.merchant else None

    def orders_url(self, start: int, end: int, **more: object) -> str:
        shop = {"merchant__id__exact": self.merchant.pk} if self.merchant else {}
        query = urlencode({**shop, "minutes": f"{start}-{end}", **more})
        return f"{reverse('admin:orders_order_changelist')}?{query}"

    def intercepts_url(self, start: int, end: int, outcomes: Sequence[str], *, layer: str = "") -> str:
        shop = {"merchant__id__exact": self.merchant.pk} if self.merchant else {}
        one = {"outcome__exact": outcomes[0]} if len(outcomes) == 1 else {}
        query = urlencode(
            {**shop, **one, **({"layer__exact": layer} if layer else {}), "minutes": f"{start}-{end}"}
        )
        return f"{reverse('admin:orders_intercept_changelist')}?{query}"


def table_of(view: View) -> Table:
    """Return the counts of each step by outcome and layer. One query, by minutes or by hours."""
    step, first, last = view.span.step, view.starts.start, view.starts.stop
    rows: QuerySet[Any] = (
        HourCount.objects.filter(hour__gte=first // 60, hour__lt=last // 60).annotate(at=F("hour") * 60)
        if step == 60
        else MinuteCount.objects.filter(minute__gte=first, minute__lt=last).annotate(
            at=F("minute") / step * step
        )
    )
    if view.merchant:
        rows = rows.filter(merchant=view.merchant)
    sums = rows.order_by().values_list("at", "outcome", "layer").annotate(rows=Sum("count"))
    found: Table = {}
    for at, outcome, layer, count in sums:
        found.setdefault(at, {})[outcome, layer] = count
    return found


def creation(view: View, table: Table, past: Past | None) -> Chart:
    """The orders of each step beside what is usual."""
    return chart_of(
        [
            Interval(
                moment_of(start),
                table.get(start, {}).get((CREATED, ""), 0),
                view.orders_url(start, start + view.span.step),
                _usual(past, start, view.span.step),
            )
            for start in view.starts
        ]
    )


# What the layers do that a person should see, in the order of the page: replays first, they harm nobody.
STOPPED = (
    InterceptOutcome.REPLAYED,
    InterceptOutcome.IN_PROGRESS,
    InterceptOutcome.REFUSED,
    InterceptOutcome.HELD,
    InterceptOutcome.WARNED,
)


def stopped(view: View, table: Table, outcomes: Sequence[str]) -> Chart:
    """The attempts of each step that ended so, whichever layer did it."""
    return chart_of(
        [
            Interval(
                moment_of(start),
                sum(
                    count for (outcome, _layer), count in table.get(start, {}).items() if outcome in outcomes
                ),
                view.intercepts_url(start, start + view.span.step, outcomes),
            )
            for start in view.starts
        ]
    )


@dataclass(frozen=True, slots=True)
class LayerRow:
    """What one layer did in the whole time, by outcome in the order of STOPPED, each number with where its rows are."""

    label: str | Promise
    numbers: list[tuple[int, str]]


def by_layer(view: View, table: Table) -> list[LayerRow]:
    """Return what each layer did; layers that did nothing are left out."""
    sums: Counter[Slot] = Counter()
    for counts in table.values():
        sums.update({slot: count for slot, count in counts.items() if slot[0] != CREATED})
    first, last = view.starts.start, view.starts.stop
    labels: dict[str, str | Promise] = {**dict(InterceptLayer.choices), "": _("another check")}
    return [
        LayerRow(
            labels[layer],
            [
                (sums[outcome, layer], view.intercepts_url(first, last, [outcome], layer=layer))
                for outcome in STOPPED
            ],
        )
        for layer in labels
        if any(sums[outcome, layer] for outcome in STOPPED)
    ]


def _usual(past: Past | None, start: int, step: int) -> tuple[float, float, float] | None:
    hourly = past.usual_in(start // 60) if past else None
    if hourly is None:
        return None
    usual = hourly.share(step / 60)
    return usual.low, usual.orders, usual.high


def ready_at(past: Past) -> datetime | None:
    """When the shop is old enough to have something usual; None where it never had an order."""
    return None if past.first is None else moment_of((past.first + LEAST_WEEKS * 7 * 24) * 60)
