"""The work queue of the cases of parcels and of carrier accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import cases
from logistics.labels import problem_label
from logistics.models import ShipmentException
from orders.errors import reason_of
from orders.labels import note_label
from orders.models import OrderStatus
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.cases import CaseAdmin, resolve_action, take_action
from ordersite.lib.adminkit.confirmed import person
from ordersite.lib.adminkit.queues import OpenCasesFilter, take
from ordersite.lib.adminkit.search import column, order_number, row_id

# What a case keeps; the times are ISO 8601 in UTC.
DETAILS: Mapping[str, Promise] = {
    "shipped_at": _("shipped at"),
    "parcels": _("parcels under way"),
    "silent_since": _("silent since"),
    "problem": _("problem"),
    "code": _("reason"),
    "order_status": _("the order is"),
}
RESOLVE = "logistics.resolve_shipmentexception"


def _resolve(request: HttpRequest, case: ShipmentException, data: Mapping[str, Any]) -> Promise:
    cases.resolve(case, user=person(request), note=data["reason"])
    return _("The case is resolved.")


def _value(key: str, value: str) -> object:
    """A stored value in the reader's words."""
    if key == "parcels":
        return f"{int(value):,}" if value.isdecimal() else value
    if key in ("shipped_at", "silent_since"):
        return badges.ago(parse_datetime(value)) if parse_datetime(value) else value
    if key == "problem":
        return problem_label(value)
    if key == "code":
        return reason_of(value)
    return dict(OrderStatus.choices).get(value, value)


@admin.register(ShipmentException)
class ShipmentExceptionAdmin(CaseAdmin):
    list_display = ("name", "order_link", "parcel_link", "raised", "owner", "state")
    list_filter = (OpenCasesFilter, "kind")
    list_select_related = ("order", "shipment", "account", "owner")
    search_fields = ("order__number",)
    search_help_text = _("Order number, waybill number or #case")
    shapes = (
        row_id(),
        order_number(),
        column(r"[0-9A-Za-z-]{6,40}", "shipment__tracking_number"),
    )
    fields = (
        "kind", "advice", "order", "shipment", "account", "seen", "created_at", "owner", "resolved_at", "resolved_by",
        "outcome",
    )  # fmt: skip
    readonly_fields = ("advice", "seen", "outcome")
    confirmed = (resolve_action(RESOLVE, _resolve), take_action(RESOLVE, take))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """A case is about a parcel and its order, or about an account."""
        about_account = isinstance(obj, ShipmentException) and obj.account_id is not None
        absent = ("order", "shipment") if about_account else ("account",)
        return [name for name in super().get_fields(request, obj) if name not in absent]

    @admin.display(description=_("parcel or account"))
    def parcel_link(self, case: ShipmentException) -> SafeString | str:
        if case.account is not None:
            page = "admin:logistics_carrieraccount_change"
            return badges.link(case.account.slug, page, case.account_id)
        if case.shipment is None:
            return badges.NOTHING
        return badges.link(case.shipment.tracking_number, "admin:logistics_shipment_change", case.shipment_id)

    @admin.display(description=_("what to do"))
    def advice(self, case: ShipmentException) -> SafeString:
        return format_html('<p class="os-advice">{}</p>', cases.what_to_do(case))

    @admin.display(description=_("detail"))
    def seen(self, case: ShipmentException) -> SafeString:
        return badges.facts(
            (DETAILS.get(key, key), _value(key, str(value))) for key, value in case.detail.items()
        )

    @admin.display(description=_("resolution"))
    def outcome(self, case: ShipmentException) -> str:
        """Show a person's note unchanged, and a resolution of the product in the reader's language."""
        return note_label(case.resolution) or "–"
