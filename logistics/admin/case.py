"""The work queue of the cases of parcels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import cases
from logistics.models import ShipmentException
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.cases import CaseAdmin, resolve_action, take_action
from ordersite.lib.adminkit.confirmed import person
from ordersite.lib.adminkit.queues import OpenCasesFilter, take
from ordersite.lib.adminkit.search import column, order_number, row_id

RESOLVE = "logistics.resolve_shipmentexception"


def _resolve(request: HttpRequest, case: ShipmentException, data: Mapping[str, Any]) -> Promise:
    cases.resolve(case, user=person(request), note=data["reason"])
    return _("The case is resolved.")


@admin.register(ShipmentException)
class ShipmentExceptionAdmin(CaseAdmin):
    list_display = ("name", "order_link", "parcel_link", "raised", "owner", "state")
    list_filter = (OpenCasesFilter, "kind")
    list_select_related = ("order", "shipment", "owner")
    search_fields = ("order__number",)
    search_help_text = _("Order number, waybill number or #case")
    shapes = (
        row_id(),
        order_number(),
        column(r"[0-9A-Za-z-]{6,40}", "shipment__tracking_number"),
    )
    fields = (
        "kind", "order", "shipment", "detail", "created_at", "owner", "resolved_at", "resolved_by", "resolution",
    )  # fmt: skip
    confirmed = (resolve_action(RESOLVE, _resolve), take_action(RESOLVE, take))

    @admin.display(description=_("shipment"))
    def parcel_link(self, case: ShipmentException) -> SafeString:
        return badges.link(case.shipment.tracking_number, "admin:logistics_shipment_change", case.shipment_id)
