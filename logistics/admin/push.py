"""Admin pages of the log of carriers' pushes: each one's check and outcome, its raw body, and its replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics.admin.push_tabs import PushTabs
from logistics.carriers.registry import carrier_choices
from logistics.carriers.types import PUSH_REFUSALS
from logistics.models import CARRIERS, CarrierAccount, CarrierNotification, RefusedPush
from logistics.pushes.replay import replay
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.inbox_filters import CheckFilter, OutcomeFilter, SinceFilter, UntilFilter
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, row_id
from ordersite.lib.adminkit.stored_calls import UNREAD, CountedCallsAdmin, StoredCallColumns, replay_row

Effect = CarrierNotification.Effect
Pushes = QuerySet[CarrierNotification]


class ConnectorFilter(admin.SimpleListFilter):
    title = _("pushed by")
    parameter_name = "connector"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return carrier_choices()

    def queryset(self, request: HttpRequest, queryset: Pushes) -> Pushes:
        if not self.value():
            return queryset
        accounts = CarrierAccount.objects.filter(carrier=self.value()).values_list("pk", flat=True)
        return queryset.filter(account_id__in=list(accounts))


def _replay(request: HttpRequest, row: CarrierNotification, _data: Mapping[str, Any]) -> Promise:
    replay_row(request, row, replay)
    return _("The push is in the queue again.")


@admin.register(CarrierNotification)
class CarrierNotificationAdmin(
    StoredCallColumns, PushTabs, ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin
):
    tones: ClassVar[Mapping[str, str]] = {
        Effect.WAITING: "waiting",
        Effect.APPLIED: "good",
        Effect.DUPLICATE: "plain",
        Effect.UNKNOWN_NUMBER: "waiting",
        Effect.REPLAYED: "plain",
    }
    reasons: ClassVar[Mapping[str, str | Promise]] = PUSH_REFUSALS
    list_display = (
        "row", "arrived", "account", "check_badge", "outcome_badge", "about", "event_count", "remote_address", "pace",
    )  # fmt: skip
    list_filter = (ConnectorFilter, SinceFilter, UntilFilter, CheckFilter, OutcomeFilter, "account")
    list_filter_submit = True
    list_select_related = ("account",)
    search_fields = ("tracking_number",)
    search_help_text = _("Waybill number or #row")
    shapes = (row_id(r"#[0-9]{1,18}"), column(r"[0-9A-Za-z-]{6,40}", "tracking_number"))
    fields = (
        "account", "check_result", "rejection", "reject_detail", "outcome", "about", "corrected", "event_count",
        "remote_address", "received_at", "pace", "tries", "due", "finished", "problem", "headers", "body",
    )  # fmt: skip
    readonly_fields = (
        "rejection", "about", "corrected", "pace", "tries", "due", "finished", "problem", "headers", "body",
    )  # fmt: skip
    confirmed = (
        Confirmed(
            "replay",
            _("Replay"),
            "logistics.replay_carriernotification",
            _("The stored push is checked and applied again. What was applied already is not applied twice."),
            _replay,
            icon="replay",
        ),
    )

    @admin.display(description=_("waybill number"))
    def about(self, push: CarrierNotification) -> SafeString:
        """The number as a link to its parcel, and its carrier."""
        if not push.tracking_number:
            return badges.NOTHING
        return format_html(
            '<span class="os-stack"><a class="os-link" href="{}?q={}">{}</a><small class="os-second">{}</small></span>',
            reverse("admin:logistics_shipment_changelist"),
            push.tracking_number,
            push.tracking_number,
            dict(CARRIERS).get(push.carrier, push.carrier),
        )

    @admin.display(description=_("corrected carrier"))
    def corrected(self, push: CarrierNotification) -> str | Promise:
        return dict(CARRIERS).get(push.corrected_carrier, push.corrected_carrier or "–")


@admin.register(RefusedPush)
class RefusedPushAdmin(PushTabs, CountedCallsAdmin):
    reasons: ClassVar[Mapping[str, str | Promise]] = {
        **UNREAD,
        **PUSH_REFUSALS,
        "unavailable": _("It could not be stored; the carrier repeats it."),
    }
