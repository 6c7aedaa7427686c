"""`/metrics`: counts read from the database at each call, so that every process reports the same."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Min, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from logistics.models import ShipmentException
from orders.models import Order
from orders.monitoring.counting import last_minutes
from ordersite import __version__
from ordersite.health.models import Alert, Heartbeat
from ordersite.queue import claims, clock_watch
from ordersite.queue.models import Delivery, OutboxEntry
from payments.models import PaymentException, PaymentNotification

_CAP = 10_000


class Queues:
    """Depth and age of what waits. Depths are counted up to 10,000: nobody needs more, and it stays cheap."""

    def collect(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily(
            "ordersite_queue_depth", "Rows that wait, counted up to 10,000", labels=["queue"]
        )
        age = GaugeMetricFamily(
            "ordersite_queue_age_seconds", "Age of the oldest waiting row", labels=["queue"]
        )
        for name, count, oldest in _queues():
            depth.add_metric([name], count)
            age.add_metric([name], max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0)
        yield depth
        yield age
        yield InfoMetricFamily("ordersite", "The version that runs", value={"version": __version__})
        yield _open_cases()
        yield _clock()
        yield _skew()
        yield _attempts()


def _queues() -> Iterator[tuple[str, int, datetime | None]]:
    waiting = claims.depth(PaymentNotification)
    yield "notifications", waiting[:_CAP].count(), waiting.aggregate(oldest=Min("received_at"))["oldest"]
    deliveries = claims.depth(Delivery).filter(parked_at__isnull=True)
    yield "deliveries", deliveries[:_CAP].count(), _first(deliveries, "event_at")
    entries = OutboxEntry.objects.all()
    yield "outbox", entries[:_CAP].count(), _first(entries, "created_at")
    overdue = Order.objects.overdue(timezone.now()).without_attempt()
    yield "overdue_orders", overdue[:_CAP].count(), overdue.aggregate(oldest=Min("close_due_at"))["oldest"]


def _first(rows: QuerySet[Any], column: str) -> datetime | None:
    """The time of the row that was made first: no table of a long queue is read whole for it."""
    time: datetime | None = rows.order_by("id").values_list(column, flat=True).first()
    return time


def _open_cases() -> Metric:
    cases = GaugeMetricFamily("ordersite_open_exceptions", "Cases that wait for a person", labels=["desk"])
    cases.add_metric(["payments"], PaymentException.objects.open()[:_CAP].count())
    cases.add_metric(["logistics"], ShipmentException.objects.open()[:_CAP].count())
    return cases


def _clock() -> Metric:
    age = GaugeMetricFamily(
        "ordersite_clock_age_seconds", "Seconds since a task of the clock last ended well", labels=["task"]
    )
    for task, at in Heartbeat.objects.values_list("task", "at"):
        age.add_metric([task], max(0.0, (timezone.now() - at).total_seconds()))
    return age


def _skew() -> Metric:
    """The clock of this web process's host, and that of other hosts where it is too far away."""
    skew = GaugeMetricFamily(
        "ordersite_clock_skew_seconds", "How far a host's clock is ahead of the database's", labels=["host"]
    )
    skewed = Alert.objects.filter(kind=Alert.Kind.CLOCK_SKEW, closed_at__isnull=True)
    found = {host: float(text.split()[0]) for host, text in skewed.values_list("subject", "text")}
    for host, seconds in {**found, socket.gethostname(): clock_watch.watch.skew}.items():
        skew.add_metric([host], seconds)
    return skew


def _attempts() -> Metric:
    """What came in within the last whole five minutes, of all merchants together."""
    attempts = GaugeMetricFamily(
        "ordersite_attempts_last_5_minutes",
        "Attempts to order in the last whole five minutes, by outcome and the layer that decided",
        labels=["outcome", "layer"],
    )
    for outcome, layer, count in last_minutes(5):
        attempts.add_metric([outcome, layer], count)
    return attempts


_registry = CollectorRegistry()
_registry.register(Queues())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text for loopback callers, or for a caller that sends METRICS_TOKEN as a bearer token.

    Behind a proxy every call comes from loopback; a forwarded one therefore needs the token.
    """
    if not (_has_token(request) or _is_local(request)):
        return HttpResponseForbidden("forbidden\n", content_type="text/plain")
    return HttpResponse(generate_latest(_registry), content_type="text/plain; version=0.0.4; charset=utf-8")


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, settings.METRICS_TOKEN)


def _is_local(request: HttpRequest) -> bool:
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and not forwarded
