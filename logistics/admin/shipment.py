"""Read-only pages of parcels, with one action: poll the carrier now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import labels
from logistics.about import last_call_text, problem_text
from logistics.admin.waybill_form import NumberForm, present_number
from logistics.bulk import found, operations
from logistics.carriers.types import CARRIER_ERRORS
from logistics.dispatch.renumber import change_number
from logistics.models import Shipment, ShipmentLine, ShipmentStatus, Subscription, TrackingEvent
from logistics.tracking import poll
from logistics.tracking.poll import set_tier
from orders.history.lines import Actor
from ordersite.bulk_jobs.desk import BulkAction, BulkActionsMixin
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

SUBSCRIPTION_TONES = {
    Subscription.NONE: "plain",
    Subscription.ACTIVE: "good",
    Subscription.ENDED: "waiting",
    Subscription.GIVEN_UP: "bad",
}


def _refresh(_request: HttpRequest, parcel: Shipment, _data: Mapping[str, Any]) -> Promise:
    """Poll the carrier if its limits allow it. Raises `DomainError` with the reason otherwise."""
    code = poll.refresh_now(parcel).code
    if code != "refreshed":
        raise DomainError(code, labels.REFRESH_REFUSALS.get(code) or CARRIER_ERRORS.get(code) or code)
    return _("The carrier was polled; the route is up to date.")


def _change_number(request: HttpRequest, parcel: Shipment, data: Mapping[str, Any]) -> str:
    """Correct the number. Raises `DomainError`."""
    actor = Actor("staff", request.user.get_username())
    changed = change_number(
        parcel.pk, carrier=data["carrier"], number=data["number"], actor=actor, reason=data["reason"]
    )
    return str(_("The number is %(number)s now; tracking starts anew.") % {"number": changed.tracking_number})


def _make_important(_request: HttpRequest, parcel: Shipment, _data: Mapping[str, Any]) -> Promise:
    set_tier(parcel.order_id, is_important=True)
    return _("The order's parcels are polled first and sooner from now on.")


def _make_usual(_request: HttpRequest, parcel: Shipment, _data: Mapping[str, Any]) -> Promise:
    set_tier(parcel.order_id, is_important=False)
    return _("The order's parcels are polled as usual from now on.")


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
    ordering = TrackingEvent.NEWEST_FIRST

    @admin.display(description=_("status"))
    def state(self, event: TrackingEvent) -> SafeString:
        label = labels.tracking_label(event.status)
        return badges.badge(label.text, tone=label.tone)


class LineInline(ReadOnlyInline):
    model = ShipmentLine
    fields = ("order_line", "quantity")


@admin.register(Shipment)
class ShipmentAdmin(BulkActionsMixin, ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
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
    bulk_actions = (
        BulkAction(operations.PRINT_LABELS, found.waybills_of_parcels),
        BulkAction(operations.POLL_NOW, found.parcels_chosen),
        BulkAction(operations.POLL_FIRST, found.parcels_chosen),
        BulkAction(operations.POLL_AS_USUAL, found.parcels_chosen),
    )
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
        Confirmed(
            "number",
            _("Change waybill number"),
            "logistics.change_number",
            _(
                "For a number that was typed wrongly or stuck on another parcel. The events of the old number leave the "
                "card, and the new one is polled at once; the history keeps both."
            ),
            _change_number,
            form=NumberForm,
            fits=lambda parcel: parcel.is_under_way,
            tone="bad",
            icon="edit",
            initial=present_number,
        ),
        Confirmed(
            "important",
            _("Poll first and sooner"),
            "logistics.resolve_shipmentexception",
            _("The parcels of this order are polled before others, and in the rhythm of important buyers."),
            _make_important,
            fits=lambda parcel: parcel.is_polled and not parcel.is_important,
            icon="star",
        ),
        Confirmed(
            "usual",
            _("Poll as usual"),
            "logistics.resolve_shipmentexception",
            _("The parcels of this order are polled as those of all other buyers."),
            _make_usual,
            fits=lambda parcel: parcel.is_polled and parcel.is_important,
            icon="star_border",
        ),
    )
    fields = (
        "order", "merchant", "warehouse", "carrier", "tracking_number", "status", "way", "insured_value",
        "tier", "shipped_at", "delivered_at", "next_check_at", "last_checked_at", "last_pushed_at", "pushes",
        "last_event_at", "estimated_at", "checks", "queries_today", "capped_until", "problem", "calls",
    )  # fmt: skip
    readonly_fields = ("way", "tier", "pushes", "problem", "calls")

    def after_action(self, row: Model) -> str:
        """Return to the order's page, where people opened the parcel."""
        return badges.address_of("admin:orders_order_change", getattr(row, "order_id", None))

    @admin.display(description=_("problem"))
    def problem(self, parcel: Shipment) -> str:
        """Why the last poll brought no route, without its code."""
        return problem_text(parcel) or "–"

    @admin.display(description=_("last call to the carrier"))
    def calls(self, parcel: Shipment) -> SafeString:
        """Whether there was an HTTP 200 and a usable answer, and where all calls about the parcel are."""
        text = last_call_text(parcel)
        log = reverse("admin:logistics_carriercall_changelist")
        if not text:
            return badges.NOTHING
        return format_html('<a class="os-link" href="{}?q={}">{}</a>', log, parcel.tracking_number, text)

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

    @admin.display(description=_("polled"))
    def tier(self, parcel: Shipment) -> str:
        return str(_("first and sooner") if parcel.is_important else _("as usual"))

    @admin.display(description=_("subscription to pushes"))
    def pushes(self, parcel: Shipment) -> SafeString:
        """Whether the carrier pushes its events, and why it does not."""
        state = Subscription(parcel.subscription)
        badge = badges.badge(state.label, tone=SUBSCRIPTION_TONES[state])
        problem = labels.problem_label(parcel.subscription_problem)
        return format_html("{} {}", badge, problem) if problem else badge

    @admin.display(description=_("insured value"))
    def insured(self, parcel: Shipment) -> SafeString:
        return badges.money(parcel.insured_value)

    @admin.display(description=_("shipped at"))
    def shipped(self, parcel: Shipment) -> SafeString:
        return badges.ago(parcel.shipped_at)

    @admin.display(description=_("last checked at"))
    def checked(self, parcel: Shipment) -> SafeString:
        return badges.ago(parcel.last_checked_at)
