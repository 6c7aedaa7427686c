"""The list of ordered waybills: what is in doubt, what was refused, labels to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from logistics import errors
from logistics.bulk import found, operations
from logistics.labels import problem_label
from logistics.models import ShipmentStatus, WaybillLine, WaybillOrder, WaybillStatus
from logistics.waybills import printing
from logistics.waybills.own_label import draw
from logistics.waybills.record import BY_STAFF, ORDER_STOPPED, TOO_LATE
from logistics.waybills.resolve import resolve_soon, want_cancelled, want_parcel_cancelled
from ordersite.bulk_jobs.desk import BulkAction, BulkActionsMixin
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, Lead, ReasonForm
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin, ReadOnlyInline
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number

ORDER, PRINT = "logistics.order_waybill", "logistics.print_label"
TONES = {
    WaybillStatus.REQUESTED: "waiting",
    WaybillStatus.UNKNOWN: "bad",
    WaybillStatus.MADE: "good",
    WaybillStatus.REFUSED: "bad",
    WaybillStatus.CANCELLED: "plain",
}
CANCEL_REASONS: Mapping[str, Promise] = {
    BY_STAFF: _("a person cancelled it"),
    ORDER_STOPPED: _("the order must not ship"),
    TOO_LATE: _("the carrier made it after it had been given up"),
}


def is_open(waybill: WaybillOrder) -> bool:
    return waybill.is_reserving


def is_printable(waybill: WaybillOrder) -> bool:
    return waybill.is_printable


def can_be_voided(waybill: WaybillOrder) -> bool:
    """Whether it is a parcel's that the carrier has not scanned yet."""
    parcel = waybill.parcel if waybill.is_printable else None
    return parcel is not None and parcel.status == ShipmentStatus.SHIPPED


def _cancel(_request: HttpRequest, waybill: WaybillOrder, _data: Mapping[str, Any]) -> Promise:
    want_cancelled(waybill.pk)
    return _("The waybill is being cancelled at the carrier.")


def _void(_request: HttpRequest, waybill: WaybillOrder, _data: Mapping[str, Any]) -> Promise:
    want_parcel_cancelled(waybill.pk)
    return _("The waybill is being cancelled at the carrier; a case of the parcel will say how it ended.")


def _settle(_request: HttpRequest, waybill: WaybillOrder, _data: Mapping[str, Any]) -> Promise:
    want_cancelled(waybill.pk, is_settled_by_hand=True)
    return _("The waybill is marked as cancelled; its goods are free again.")


def _resolve(_request: HttpRequest, waybill: WaybillOrder, _data: Mapping[str, Any]) -> Promise:
    resolve_soon(waybill.pk)
    return _("The carrier is queried within seconds.")


class WaybillStageFilter(admin.SimpleListFilter):
    """Filter by the states that are worth a look; made ones are the list without a filter."""

    title = _("status")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (status.value, status.label)
            for status in (
                WaybillStatus.REQUESTED,
                WaybillStatus.UNKNOWN,
                WaybillStatus.REFUSED,
                WaybillStatus.CANCELLED,
            )
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if not self.value():
            return queryset
        # The second condition is that of the index.
        return queryset.filter(status=self.value()).exclude(status=WaybillStatus.MADE)


class WaybillLineInline(ReadOnlyInline):
    model = WaybillLine
    fields = ("order_line", "quantity")


@admin.register(WaybillOrder)
class WaybillOrderAdmin(BulkActionsMixin, ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    ended = columns.plain("settled_at", _("ended at"))
    list_display = ("reference", "number", "state", "age", "order_link", "account", "problem")
    list_display_links = ("reference",)
    list_filter = (WaybillStageFilter,)
    list_select_related = ("order", "account")
    search_fields = ("reference",)
    search_help_text = _("Reference, waybill number or order number")
    shapes = (
        column(r"[0-9A-Z]{8,32}", "reference", "tracking_number"),
        order_number(),
    )
    inlines = (WaybillLineInline,)
    actions = ("show_labels", "download_labels")
    bulk_actions = (BulkAction(operations.PRINT_LABELS, found.waybills_chosen),)
    leads = (
        Lead(
            "label",
            _("Download label"),
            PRINT,
            lambda waybill: reverse("admin:logistics_waybillorder_label", args=[waybill.pk]),
            fits=is_printable,
            icon="label",
        ),
    )
    confirmed = (
        Confirmed(
            "resolve",
            _("Resolve now"),
            ORDER,
            _("The carrier is queried under the same reference; no second waybill is made."),
            _resolve,
            fits=is_open,
            icon="refresh",
            is_harmless=True,
        ),
        Confirmed(
            "cancel",
            _("Cancel waybill"),
            ORDER,
            _(
                "The waybill is cancelled at the carrier where it has one. Its goods are free once that is certain."
            ),
            _cancel,
            form=ReasonForm,
            fits=is_open,
            tone="bad",
            icon="cancel",
        ),
        Confirmed(
            "void",
            _("Cancel the parcel's waybill"),
            ORDER,
            _(
                "The carrier has not scanned the parcel yet: it is asked to cancel the waybill. Order and parcel stay as "
                "sent, for there is no way back from there; a case then says what to do with the goods."
            ),
            _void,
            form=ReasonForm,
            fits=can_be_voided,
            tone="bad",
            icon="cancel",
        ),
        Confirmed(
            "settle",
            _("Mark as cancelled"),
            ORDER,
            _("Only after the carrier has said by phone that it has no such waybill, or has cancelled it."),
            _settle,
            form=ReasonForm,
            fits=is_open,
            tone="bad",
            icon="phone_disabled",
        ),
    )
    fields = (
        "order", "merchant", "warehouse", "account", "carrier", "reference", "tracking_number", "state",
        "insured_value", "created_at", "ended", "calls", "next_try_at", "cancelled_because", "problem",
    )  # fmt: skip
    readonly_fields = ("state", "ended", "problem", "cancelled_because")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.label_view)
        return [
            path("<int:object_id>/label/", view, name="logistics_waybillorder_label"),
            *super().get_urls(),
        ]

    def has_print_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(PRINT))

    def label_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Hand out the label: 403 without the right, 404 where there is none."""
        if not self.has_print_permission(request):
            raise PermissionDenied
        waybill = self._visible_row(request, object_id)
        if not isinstance(waybill, WaybillOrder) or not waybill.is_printable:
            raise Http404
        return printing.label_response(waybill)

    @admin.action(description=_("Print labels of our own"), permissions=["print"])
    def show_labels(self, request: HttpRequest, rows: QuerySet[WaybillOrder]) -> HttpResponse | None:
        """Show a page that prints one label a sheet."""
        waybills = self._printable(request, rows)
        if not waybills:
            return None
        # Drawn here, with every text escaped.
        labels = [mark_safe(draw(waybill)) for waybill in waybills]
        context = {**self.admin_site.each_context(request), "labels": labels, "title": _("Labels")}
        response = TemplateResponse(request, "admin/desk/labels.html", context)
        response["Cache-Control"] = "private, no-store"
        return response

    @admin.action(description=_("Download the carriers' labels (zip)"), permissions=["print"])
    def download_labels(self, request: HttpRequest, rows: QuerySet[WaybillOrder]) -> HttpResponse | None:
        waybills = self._printable(request, rows)
        return printing.labels_zip(waybills) if waybills else None

    def _printable(self, request: HttpRequest, rows: QuerySet[WaybillOrder]) -> Sequence[WaybillOrder]:
        """The made ones of the chosen rows; says how many are left out."""
        chosen = list(rows.select_related("order", "warehouse").order_by("pk")[: printing.MOST_LABELS])
        made = [waybill for waybill in chosen if waybill.is_printable]
        if len(made) < len(chosen) or not made:
            text = _("%(count)s of the chosen waybills are not made, or are cancelled: they have no label.")
            self.message_user(request, text % {"count": len(chosen) - len(made)}, messages.WARNING)
        return made

    @admin.display(description=_("waybill number"))
    def number(self, waybill: WaybillOrder) -> SafeString:
        """The number, and whose it is or will be."""
        number: SafeString | str = waybill.tracking_number or badges.NOTHING
        if waybill.tracking_number and waybill.is_made:
            number = badges.link(number, "admin:logistics_shipment_change", waybill.parcel_id)
        carrier = waybill.get_carrier_display()
        return format_html("{}<br><small>{}</small>", number, carrier)

    @admin.display(description=_("status"))
    def state(self, waybill: WaybillOrder) -> SafeString:
        status = WaybillStatus(waybill.status)
        if waybill.is_made and waybill.cancel_code:
            is_done = waybill.next_try_at is None
            text = _("cancelled at the carrier") if is_done else _("being cancelled at the carrier")
            return badges.badge(text, tone="plain" if is_done else "waiting")
        return badges.badge(status.label, tone=TONES[status])

    @admin.display(description=_("age"))
    def age(self, waybill: WaybillOrder) -> SafeString:
        return badges.ago(waybill.created_at)

    @admin.display(description=_("problem"))
    def problem(self, waybill: WaybillOrder) -> str:
        return problem_label(waybill.last_problem) or "–"

    @admin.display(description=_("cancelled because"))
    def cancelled_because(self, waybill: WaybillOrder) -> str:
        """In the reader's words: a code of ours, or of what the order refused."""
        code = waybill.cancel_code
        return str(CANCEL_REASONS.get(code) or errors.CONFIRMATIONS.get(code) or code or "–")
