"""The log of intercepted attempts to order: which layer answered, what became of the attempt, what a rule saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models import Intercept, InterceptOutcome, RiskStrategy
from ordersite.lib import masking
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.minutes_filter import MinutesFilter
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, row_id

TONES: Mapping[str, str] = {
    InterceptOutcome.REFUSED: "bad",
    InterceptOutcome.HELD: "bad",
    InterceptOutcome.WARNED: "warn",
}
_SPANS: Mapping[str, tuple[str | Promise, timedelta]] = {
    "hour": (_("last hour"), timedelta(hours=1)),
    "day": (_("last 24 hours"), timedelta(days=1)),
    "week": (_("last 7 days"), timedelta(days=7)),
}
# What the product writes into `seen`; anything else is left to the row's own page.
_SEEN: Mapping[str, str | Promise] = {
    "count": pgettext_lazy("attempts", "counted"),
    "threshold": _("threshold"),
    "window": _("within (s)"),
    "value": _("same value"),
}


class InterceptSpanFilter(admin.SimpleListFilter):
    title = _("time")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, label) for name, (label, _span) in _SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Intercept]) -> QuerySet[Intercept]:
        chosen = _SPANS.get(self.value() or "")
        return queryset.filter(at__gte=timezone.now() - chosen[1]) if chosen else queryset


class AttemptMinutesFilter(MinutesFilter):
    column = "at"


class StrategyFilter(admin.SimpleListFilter):
    title = _("strategy")
    parameter_name = "strategy"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(strategy.slug, str(strategy)) for strategy in RiskStrategy.objects.order_by("pk")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Intercept]) -> QuerySet[Intercept]:
        return queryset.filter(strategy=self.value()).exclude(strategy="") if self.value() else queryset


@admin.register(Intercept)
class InterceptAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("when", "layer_label", "what", "order_link", "buyer", "total", "ip", "shop")
    list_display_links = ("when",)
    list_filter = ("layer", "outcome", StrategyFilter, InterceptSpanFilter, "merchant", AttemptMinutesFilter)
    list_select_related = ("merchant",)
    search_fields = ("order_number",)
    search_help_text = _("Order number, buyer's number in the shop, IP address or #attempt")
    empty_text = _("Nothing was intercepted.")
    shapes = (
        row_id(r"#[0-9]{1,18}"),
        column(r"[0-9]{8}-[0-9A-Z]{4}-[0-9A-Z]{4}", "order_number"),
        column(r"[0-9A-Fa-f.:]{3,45}", "client_ip"),
        column(r".{1,64}", "buyer_outside_id"),
    )
    fields = (
        "at", "shop", "layer_label", "what", "code", "strategy", "order_link", "saw", "buyer", "products_text",
        "total", "device", "ip", "address",
    )  # fmt: skip
    readonly_fields = fields
    shop = columns.plain("merchant", _("merchant"))
    device = columns.plain("device_id", _("device"))
    ip = columns.plain("client_ip", _("IP address"))

    @admin.display(description=_("time"))
    def when(self, row: Intercept) -> SafeString:
        return badges.ago(row.at)

    @admin.display(description=_("layer"))
    def layer_label(self, row: Intercept) -> str:
        return row.get_layer_display() or row.code

    @admin.display(description=_("outcome"))
    def what(self, row: Intercept) -> SafeString:
        return badges.badge(row.get_outcome_display(), tone=TONES.get(row.outcome, "plain"))

    @admin.display(description=_("order"))
    def order_link(self, row: Intercept) -> SafeString:
        """The order that the attempt was pointed to, or made."""
        if not row.order_number:
            return badges.NOTHING
        address = f"{reverse('admin:orders_order_find')}?q={row.order_number}"
        return format_html('<a class="os-link" href="{}">{}</a>', address, row.order_number)

    @admin.display(description=_("buyer"))
    def buyer(self, row: Intercept) -> SafeString:
        return format_html("{} {}", row.buyer_outside_id, masking.mask_phone(row.buyer_phone))

    @admin.display(description=_("total"))
    def total(self, row: Intercept) -> SafeString:
        return badges.money(row.amount)

    @admin.display(description=_("products"))
    def products_text(self, row: Intercept) -> str:
        return ", ".join(row.products)

    @admin.display(description=_("what it saw"))
    def saw(self, row: Intercept) -> SafeString:
        return badges.facts(_facts(row.seen))


def _facts(seen: Mapping[str, Any]) -> Iterator[tuple[str | Promise, object]]:
    counts = seen.get("counts")
    if isinstance(counts, dict):
        yield from ((product, count) for product, count in counts.items())
    yield from ((label, seen[name]) for name, label in _SEEN.items() if name in seen)
