"""The page on monitoring: what comes in beside what is usual, who tries often, and from when operations are alerted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.monitoring.figures import (
    SPANS,
    STOPPED,
    Span,
    View,
    by_layer,
    creation,
    ready_at,
    stopped,
    table_of,
)
from orders.models import InterceptOutcome, Merchant, MinuteCount, WatchLimit
from orders.models.monitoring.minutes import minute_of
from orders.monitoring.bursts import Burst, busiest
from orders.monitoring.figures import KINDS, figures_of, sentence_of
from orders.monitoring.limits import NAMES, Limits, limits_of, limits_of_all
from ordersite.health.models import Alert
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

# Of buyers and addresses that try more than once, so many are shown.
_BUSIEST = 10
_MOST_ALERTS = 20


@admin.register(MinuteCount)
class MonitoringAdmin(ReadOnlyAdmin):
    """Its list is a page of charts; the rows themselves say nothing to a person."""

    fields = ("merchant", "minute", "outcome", "layer", "count")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        merchants = list(Merchant.objects.order_by("name"))
        view = _chosen(request, merchants)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Monitoring"),
            "opts": self.opts,
            "view": view,
            "shops": _shops(view, merchants),
            "spans": [(span.label, _address(view.merchant, span), span == view.span) for span in SPANS],
            **_charts(view),
            **_bursts(view),
            "alerts": list(_alerts(view)) if request.user.has_perm("health.view_alert") else None,
            **_limits(view, request),
        }
        return TemplateResponse(request, "admin/desk/monitoring.html", context)


def _chosen(request: HttpRequest, merchants: Sequence[Merchant]) -> View:
    """What the address asks for; the only shop where there is one, and all of them where it names none that exists."""
    wanted, span = request.GET.get("merchant", ""), request.GET.get("span", "")
    named = next((one for one in merchants if str(one.pk) == wanted), None)
    shop = merchants[0] if len(merchants) == 1 else named
    return View(shop, next((one for one in SPANS if one.code == span), SPANS[0]), timezone.now())


def _address(merchant: Merchant | None, span: Span) -> str:
    shop = {"merchant": merchant.pk} if merchant else {}
    return "?" + urlencode({**shop, "span": span.code})


def _shops(view: View, merchants: Sequence[Merchant]) -> list[tuple[str, str, bool]]:
    if len(merchants) < 2:
        return []
    every = (_("all merchants"), _address(None, view.span), view.merchant is None)
    return [every, *((one.name, _address(one, view.span), one == view.merchant) for one in merchants)]


def _charts(view: View) -> Mapping[str, Any]:
    past, table = view.past(), table_of(view)
    usual = past.usual_at(minute_of(view.now)) if past else None
    return {
        "creation": creation(view, table, past),
        "refused": stopped(view, table, [InterceptOutcome.REFUSED]),
        "held": stopped(view, table, [InterceptOutcome.HELD]),
        "outcomes": [outcome.label for outcome in STOPPED],
        "layers": by_layer(view, table),
        "has_usual": usual is not None,
        "usual": usual,
        "sleeps": usual is not None and past is not None and past.sleeps_at(minute_of(view.now)),
        "first_at": ready_at(past) if past and usual is None else None,
        "is_new": past is not None and usual is None,
    }


def _bursts(view: View) -> Mapping[str, Any]:
    """Buyers and addresses that tried more than once within the minutes of a burst."""
    limits = _limits_in_force(view)
    since, end = view.now - timedelta(minutes=limits.burst_minutes), minute_of(view.now) + 1
    shops = [view.merchant.pk] if view.merchant else list(Merchant.objects.values_list("pk", flat=True))
    start = minute_of(since)

    def rows(column: str, name: str) -> list[tuple[Burst, str]]:
        found = busiest(column, shops, since, 2)[:_BUSIEST]
        return [(one, view.orders_url(start, end, **{name: f"{one.merchant}:{one.who}"})) for one in found]

    return {
        "buyers": rows("buyer__outside_id", "buyer"),
        "addresses": rows("client_ip", "address"),
        "burst_minutes": limits.burst_minutes,
    }


def _limits_in_force(view: View) -> Limits:
    return limits_of([view.merchant.pk])[view.merchant.pk] if view.merchant else limits_of_all()


def _alerts(view: View) -> Iterator[Mapping[str, Any]]:
    """The open alerts about orders, of the chosen shop."""
    rows = Alert.objects.filter(kind__in=KINDS, closed_at__isnull=True).order_by("-last_at")
    for alert in rows[: 5 * _MOST_ALERTS]:
        if view.merchant is None or figures_of(alert).get("merchant") == view.merchant.pk:
            url = reverse("admin:health_alert_change", args=[alert.pk])
            yield {"alert": alert, "sentence": sentence_of(alert), "url": url}


def _limits(view: View, request: HttpRequest) -> Mapping[str, Any]:
    limits = _limits_in_force(view)
    names = {field.name: field.verbose_name for field in WatchLimit._meta.concrete_fields}
    return {
        "limits": [(names[name], getattr(limits, name)) for name in NAMES],
        "limits_url": reverse("admin:orders_watchlimit_changelist")
        if request.user.has_perm("orders.view_watchlimit")
        else "",
    }
