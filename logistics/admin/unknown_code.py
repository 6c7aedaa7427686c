"""The report of codes that no table knows, and below it the events that have them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter

from logistics import labels
from logistics.admin.push_tabs import PushTabs
from logistics.carriers.registry import FALLBACK, carrier_choices
from logistics.models import TrackingEvent
from logistics.tracking.unknown_codes import MOST_EVENTS, UnknownCode, unknown_codes
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

Events = QuerySet[TrackingEvent]


class SourceFilter(admin.SimpleListFilter):
    title = _("said by")
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return carrier_choices()

    def queryset(self, request: HttpRequest, queryset: Events) -> Events:
        if not self.value():
            return queryset
        return queryset.filter(source__in=["", FALLBACK] if self.value() == FALLBACK else [self.value()])


class CodeFilter(TextFilter):
    title = _("carrier's code")
    parameter_name = "code"

    def queryset(self, request: HttpRequest, queryset: Events) -> Events:
        code = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(provider_code=code) if code else queryset


@admin.register(TrackingEvent)
class UnknownCodeAdmin(PushTabs, ReadOnlyAdmin):
    list_before_template = "admin/desk/unknown_codes.html"
    list_display = ("when", "said_by", "code", "text", "parcel")
    list_filter = (SourceFilter, CodeFilter)
    list_filter_submit = True
    list_select_related = ("shipment",)
    fields = ("at", "said_by", "code", "text", "location", "parcel", "received_at")
    readonly_fields = ("said_by", "code", "parcel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrackingEvent]:
        """Only events whose code means nothing here; all events of a parcel stand on its own page."""
        return super().get_queryset(request).filter(status="unknown")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        rows = [_shown(row) for row in unknown_codes()]
        return super().changelist_view(request, {"unknown_codes": rows, **(extra_context or {})})

    @admin.display(description=_("time"))
    def when(self, event: TrackingEvent) -> SafeString:
        return badges.ago(event.at)

    @admin.display(description=_("said by"))
    def said_by(self, event: TrackingEvent) -> str:
        return _name(event.source)

    @admin.display(description=_("carrier's code"))
    def code(self, event: TrackingEvent) -> str:
        return event.provider_code or str(_("none"))

    @admin.display(description=_("shipment"))
    def parcel(self, event: TrackingEvent) -> SafeString:
        number = f"{labels.carrier_name(event.shipment.carrier)} {event.shipment.tracking_number}"
        return badges.link(number, "admin:logistics_shipment_change", event.shipment_id)


def _name(source: str) -> str:
    return dict(carrier_choices()).get(source or FALLBACK, source)


def _shown(row: UnknownCode) -> dict[str, Any]:
    """A row of the report, for the template."""
    query = {"source": row.source or FALLBACK, "code": row.code}
    return {
        "said_by": _name(row.source),
        "code": row.code or _("none"),
        "events": f"> {MOST_EVENTS:,}" if row.has_more else f"{row.events:,}",
        "first": badges.ago(row.first_at),
        "last": badges.ago(row.last_at),
        "parcel": badges.link(row.example.tracking_number, "admin:logistics_shipment_change", row.example.pk),
        "url": f"{reverse('admin:logistics_trackingevent_changelist')}?{urlencode(query)}",
    }
