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
from logistics.admin import warehouse_messages
from logistics.carriers.types import PUSH_REFUSALS
from logistics.dispatch.signed_back import decide_signature
from logistics.labels import problem_label
from logistics.models import ShipmentException
from orders.errors import reason_of
from orders.labels import note_label
from orders.models import OrderStatus
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.cases import CaseAdmin, resolve_action, take_action
from ordersite.lib.adminkit.confirmed import Confirmed, ReasonForm, person
from ordersite.lib.adminkit.queues import OpenCasesFilter, take
from ordersite.lib.adminkit.search import column, order_number, row_id, row_number

# What a case keeps; the times are ISO 8601 in UTC.
DETAILS: Mapping[str, Promise] = {
    "shipped_at": _("shipped at"),
    "parcels": _("parcels under way"),
    "silent_since": _("silent since"),
    "problem": _("problem"),
    "code": _("reason"),
    "push_code": _("rejected because"),
    "push": _("carrier push"),
    "tracking_number": _("waybill number"),
    "order_status": _("the order is"),
    "on_hand": _("on hand"),
    "reserved": _("reserved"),
    "refusal": _("reason"),
    "signed_at": _("signature at"),
    "message": _("the warehouse's words"),
    "sent_at": _("sent at"),
    "attempts": _("attempts"),
    "http_status": _("HTTP status"),
    "rule": _("automation rule"),
    "words": _("what is to be done"),
    "products": _("products"),
}
RESOLVE = "logistics.resolve_shipmentexception"


def _resolve(request: HttpRequest, case: ShipmentException, data: Mapping[str, Any]) -> Promise:
    cases.resolve(case, user=person(request), note=data["reason"])
    return _("The case is resolved.")


def _note_return(request: HttpRequest, case: ShipmentException, data: Mapping[str, Any]) -> Promise:
    decide_signature(case, is_back=True, user=person(request), reason=data["reason"])
    return _("The parcel counts as returned; its case says what to do with goods and money.")


def _note_delivery(request: HttpRequest, case: ShipmentException, data: Mapping[str, Any]) -> Promise:
    decide_signature(case, is_back=False, user=person(request), reason=data["reason"])
    return _("The parcel counts as delivered.")


def _is_undecided(case: ShipmentException) -> bool:
    parcel = case.shipment
    return case.kind == ShipmentException.Kind.SIGNED_BACK and bool(parcel and parcel.is_going_back)


def _value(key: str, value: str) -> object:
    """A stored value in the reader's words."""
    if key == "parcels":
        return f"{int(value):,}" if value.isdecimal() else value
    if key in ("shipped_at", "silent_since", "sent_at", "signed_at"):
        return badges.ago(parse_datetime(value)) if parse_datetime(value) else value
    if key == "problem":
        return problem_label(value)
    if key == "push_code":
        return PUSH_REFUSALS.get(value, value)
    if key == "push":
        return badges.link(value, "admin:logistics_carriernotification_change", row_number(value.lstrip("#")))
    if key == "code":
        return reason_of(value)
    return dict(OrderStatus.choices).get(value, value)


@admin.register(ShipmentException)
class ShipmentExceptionAdmin(CaseAdmin):
    list_display = ("name", "order_link", "parcel_link", "raised", "owner", "state")
    list_filter = (OpenCasesFilter, "kind")
    list_select_related = ("order", "shipment", "account", "warehouse", "owner")
    search_fields = ("order__number",)
    search_help_text = _("Order number, waybill number or #case")
    shapes = (
        row_id(),
        order_number(),
        column(r"[0-9A-Za-z-]{6,40}", "shipment__tracking_number"),
    )
    fields = (
        "kind", "advice", "order", "shipment", "account", "warehouse", "product_id", "seen", "sent", "created_at",
        "owner", "resolved_at", "resolved_by", "outcome",
    )  # fmt: skip
    readonly_fields = ("advice", "seen", "sent", "outcome")
    confirmed = (
        Confirmed(
            "back",
            _("It came back"),
            RESOLVE,
            _(
                "For a signature of the shop or its warehouse. The parcel counts as returned, which opens the case of a "
                "returned parcel; this one is resolved."
            ),
            _note_return,
            form=ReasonForm,
            fits=_is_undecided,
            tone="bad",
            icon="undo",
        ),
        Confirmed(
            "kept",
            _("The buyer has it"),
            RESOLVE,
            _(
                "For a signature of the buyer, after the carrier has said so. The parcel counts as delivered at that time, "
                "and the order is completed with its last parcel; this case is resolved."
            ),
            _note_delivery,
            form=ReasonForm,
            fits=_is_undecided,
            tone="bad",
            icon="how_to_reg",
        ),
        resolve_action(RESOLVE, _resolve),
        take_action(RESOLVE, take),
    )

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show what the case is about, and no empty row beside it."""
        about = ("order", "shipment", "account", "warehouse", "product_id")
        absent = [name for name in about if not getattr(obj, name, None)]
        if not (getattr(obj, "order_id", None) and getattr(obj, "warehouse_id", None)):
            absent.append("sent")
        return [name for name in super().get_fields(request, obj) if name not in absent]

    @admin.display(description=_("parcel, account or warehouse"))
    def parcel_link(self, case: ShipmentException) -> SafeString | str:
        if case.account is not None:
            page = "admin:logistics_carrieraccount_change"
            return badges.link(case.account.slug, page, case.account_id)
        if case.shipment is None:
            return str(case.warehouse) if case.warehouse else badges.NOTHING
        return badges.link(case.shipment.tracking_number, "admin:logistics_shipment_change", case.shipment_id)

    @admin.display(description=_("what to do"))
    def advice(self, case: ShipmentException) -> SafeString:
        return format_html('<p class="os-advice">{}</p>', cases.what_to_do(case))

    @admin.display(description=_("detail"))
    def seen(self, case: ShipmentException) -> SafeString:
        return badges.facts(
            (DETAILS.get(key, key), _value(key, str(value))) for key, value in case.detail.items()
        )

    @admin.display(description=_("messages to the warehouse"))
    def sent(self, case: ShipmentException) -> SafeString | str:
        """What the warehouse was sent about the order, try by try."""
        if case.order_id is None or case.warehouse_id is None:
            return badges.NOTHING
        return warehouse_messages.tries_about(case.order_id, case.warehouse_id)

    @admin.display(description=_("resolution"))
    def outcome(self, case: ShipmentException) -> str:
        """Show a person's note unchanged, and a resolution of the product in the reader's language."""
        return note_label(case.resolution) or "–"
