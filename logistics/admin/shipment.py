"""Read-only pages of parcels, with one action: poll the carrier now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import labels
from logistics.about import problem_text
from logistics.carriers.types import CARRIER_ERRORS
from logistics.models import Shipment, ShipmentLine, ShipmentStatus, TrackingEvent
from logistics.tracking import poll
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin, ReadOnlyInline
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number
from ordersite.lib.errors import DomainError

TONES = {
    ShipmentStatus.SHIPPED: "waiting",
    ShipmentStatus.MOVING: "moving",
    ShipmentStatus.DELIVERED: "good",
    ShipmentStatus.RETURNED: "bad",
}

REFRESH_REFUSALS: Mapping[str, Promise] = {
    "too_soon": _("The carrier was polled a moment ago; its rate limit allows the next poll later."),
    "arrived": _("The parcel has arrived; there is nothing left to poll."),
    "no_account": _("There is no carrier account through which this parcel can be polled."),
    "circuit_open": _("Circuit open: the carrier account failed often and is not called for a while."),
    "busy_here": _("Many carriers are being polled at this moment: this parcel follows within seconds."),
    "failed": _("The carrier did not answer."),
}


def _refresh(_request: HttpRequest, parcel: Shipment, _data: Mapping[str, Any]) -> Promise:
    """Poll the carrier if its limits allow it. Raises `DomainError` with the reason otherwise."""
    code = poll.refresh_now(parcel).code
    if code != "refreshed":
        raise DomainError(code, REFRESH_REFUSALS.get(code) or CARRIER_ERRORS.get(code) or code)
    return _("The carrier was polled; the route is up to date.")


class StageFilter(admin.SimpleListFilter):
    """Filter by whether a parcel is still polled: that column has an index, the status has none."""

    title = _("status")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("moving", _("under way")), ("arrived", _("arrived or returned"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset.filter(next_check_at__isnull=self.value() == "arrived") if self.value() else queryset


class EventInline(ReadOnlyInline):
    model = TrackingEvent
    fields = ("at", "state", "text", "location", "provider_code")
    readonly_fields = ("state",)
    ordering = ("-at", "-id")

    @admin.display(description=_("status"))
    def state(self, event: TrackingEvent) -> SafeString:
        label = labels.tracking_label(event.status)
        return badges.badge(label.text, tone=label.tone)


class LineInline(ReadOnlyInline):
    model = ShipmentLine
    fields = ("order_line", "quantity")


@admin.register(Shipment)
class ShipmentAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = (
        "number",
        "carrier",
        "state",
        "order_link",
        "insured",
        "shipped",
        "checked",
        "problem",
    )
    list_display_links = ("number",)
    list_filter = (StageFilter, "carrier")
    list_select_related = ("order",)
    search_fields = ("tracking_number",)
    search_help_text = _("Waybill number or order number")
    shapes = (
        column(r"[0-9A-Za-z-]{6,40}", "tracking_number"),
        order_number(),
    )
    inlines = (EventInline, LineInline)
    confirmed = (
        Confirmed(
            "refresh",
            _("Poll the carrier"),
            "logistics.resolve_shipmentexception",
            _("The carrier is polled for the route now, if its rate limit allows."),
            _refresh,
            fits=lambda parcel: parcel.is_polled,
            icon="refresh",
            is_harmless=True,
        ),
    )
    fields = (
        "order", "merchant", "warehouse", "carrier", "tracking_number", "status", "way", "insured_value",
        "shipped_at", "delivered_at", "next_check_at", "last_checked_at", "last_event_at", "checks",
        "queries_today", "capped_until", "problem",
    )  # fmt: skip
    readonly_fields = ("way", "problem")

    def after_action(self, row: Model) -> str:
        """Return to the order's page, where people opened the parcel."""
        return badges.address_of("admin:orders_order_change", getattr(row, "order_id", None))

    @admin.display(description=_("problem"))
    def problem(self, parcel: Shipment) -> str:
        """Why the last poll brought no route, without its code."""
        return problem_text(parcel) or "–"

    @admin.display(description=_("waybill number"))
    def number(self, parcel: Shipment) -> str:
        return parcel.tracking_number

    @admin.display(description=_("status"))
    def state(self, parcel: Shipment) -> SafeString:
        status = ShipmentStatus(parcel.status)
        return badges.badge(status.label, tone=TONES[status])

    @admin.display(description=_("tracking status"))
    def way(self, parcel: Shipment) -> SafeString:
        label = labels.tracking_label(parcel.tracking_status)
        return badges.badge(label.text, tone=label.tone)

    @admin.display(description=_("insured value"))
    def insured(self, parcel: Shipment) -> SafeString:
        return badges.money(parcel.insured_value)

    @admin.display(description=_("shipped at"))
    def shipped(self, parcel: Shipment) -> SafeString:
        return badges.ago(parcel.shipped_at)

    @admin.display(description=_("last checked at"))
    def checked(self, parcel: Shipment) -> SafeString:
        return badges.ago(parcel.last_checked_at)
