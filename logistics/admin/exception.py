"""The work queue of parcels that need a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import exceptions
from logistics.models import ShipmentException
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.queues import OpenCasesFilter, is_open, take
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, row_id

RESOLVE = "logistics.resolve_shipmentexception"


def _resolve(request: HttpRequest, case: ShipmentException, data: Mapping[str, Any]) -> Promise:
    exceptions.resolve(case, user=person(request), note=data["reason"])
    return _("The case is resolved.")


@admin.register(ShipmentException)
class ShipmentExceptionAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("name", "order_link", "parcel_link", "raised", "owner", "state")
    list_filter = (OpenCasesFilter, "kind")
    list_select_related = ("order", "shipment", "owner")
    search_fields = ("order__number",)
    search_help_text = _("Order number, waybill number or #case")
    shapes = (
        row_id(),
        column(r"[0-9]{8}-[0-9A-Z]{4}-[0-9A-Z]{4}", "order__number"),
        column(r"[0-9A-Za-z-]{6,40}", "shipment__tracking_number"),
    )
    fields = (
        "kind", "order", "shipment", "detail", "created_at", "owner", "resolved_at", "resolved_by", "resolution",
    )  # fmt: skip
    confirmed = (
        Confirmed(
            "resolve",
            _("Resolve"),
            RESOLVE,
            _("The case leaves the queue. The note stays with it."),
            _resolve,
            form=ReasonForm,
            fits=is_open,
            icon="task_alt",
        ),
        Confirmed(
            "take",
            _("Take it on"),
            RESOLVE,
            _("You become the owner of this case."),
            take,
            fits=is_open,
            icon="front_hand",
        ),
    )

    @admin.display(description=_("kind"))
    def name(self, case: ShipmentException) -> str:
        return str(case)

    @admin.display(description=_("order"))
    def order_link(self, case: ShipmentException) -> SafeString:
        return badges.link(case.order.number, "admin:orders_order_change", case.order_id)

    @admin.display(description=_("shipment"))
    def parcel_link(self, case: ShipmentException) -> SafeString:
        return badges.link(case.shipment.tracking_number, "admin:logistics_shipment_change", case.shipment_id)

    @admin.display(description=_("age"))
    def raised(self, case: ShipmentException) -> SafeString:
        return badges.ago(case.created_at)

    @admin.display(description=_("status"))
    def state(self, case: ShipmentException) -> SafeString:
        return (
            badges.badge(_("to do"), tone="bad")
            if is_open(case)
            else badges.badge(_("resolved"), tone="good")
        )
