"""The log of calls to carriers: was there an HTTP 200 and a usable answer?"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics.labels import OPERATIONS, call_result
from logistics.models import CarrierAccount, CarrierCall
from logistics.models.carrier_call import OK
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number, row_id

# The rows of one call are written by one statement, so that they are neighbours.
MOST_OF_A_CALL = 200


class AccountFilter(admin.SimpleListFilter):
    title = _("carrier account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            (str(pk), slug) for pk, slug in CarrierAccount.objects.order_by("slug").values_list("pk", "slug")
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CarrierCall]) -> QuerySet[CarrierCall]:
        value = self.value() or ""
        known = {key for key, _slug in self.lookup_choices}
        return queryset.filter(account_id=int(value)) if value in known else queryset


class OperationFilter(admin.SimpleListFilter):
    title = _("operation")
    parameter_name = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(OPERATIONS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[CarrierCall]) -> QuerySet[CarrierCall]:
        return queryset.filter(operation=self.value()) if self.value() in OPERATIONS else queryset


class ResultFilter(admin.SimpleListFilter):
    """Filter by whether the call was answered usefully; what failed has an index."""

    title = _("how it ended")
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("usable", _("usable answer")), ("failed", _("anything else"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CarrierCall]) -> QuerySet[CarrierCall]:
        if self.value() == "failed":
            return queryset.exclude(result=OK)
        return queryset.filter(result=OK) if self.value() == "usable" else queryset


@admin.register(CarrierCall)
class CarrierCallAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = (
        "when",
        "account_link",
        "action",
        "subject",
        "order_link",
        "http",
        "short_outcome",
        "took",
    )
    list_display_links = ("when",)
    list_filter = (AccountFilter, OperationFilter, ResultFilter)
    list_select_related = ("account", "order")
    search_fields = ("subject",)
    search_help_text = _("Waybill number, reference, order number or #call")
    shapes = (row_id(r"#[0-9]{1,18}"), order_number(), column(r"[0-9A-Za-z-]{6,40}", "subject"))
    fields = (
        "at", "account_link", "action", "subject", "order_link", "http", "outcome", "took", "others", "sent", "received",
    )  # fmt: skip
    readonly_fields = (
        "account_link", "action", "order_link", "http", "outcome", "took", "others", "sent", "received",
    )  # fmt: skip

    @admin.display(description=_("time"))
    def when(self, call: CarrierCall) -> SafeString:
        return badges.ago(call.at)

    @admin.display(description=_("carrier account"))
    def account_link(self, call: CarrierCall) -> SafeString:
        return badges.link(call.account.slug, "admin:logistics_carrieraccount_change", call.account_id)

    @admin.display(description=_("operation"))
    def action(self, call: CarrierCall) -> str:
        return str(OPERATIONS.get(call.operation, call.operation))

    @admin.display(description=_("HTTP status"))
    def http(self, call: CarrierCall) -> SafeString:
        if call.http_status is None:
            return badges.badge(_("no answer"), tone="bad")
        return badges.badge(str(call.http_status), tone="good" if call.http_status == 200 else "bad")

    @admin.display(description=_("how it ended"))
    def outcome(self, call: CarrierCall) -> SafeString:
        label = call_result(call.result)
        badge = badges.badge(label.text, tone=label.tone)
        return format_html("{} {}", badge, call.detail) if call.detail else badge

    @admin.display(description=_("how it ended"))
    def short_outcome(self, call: CarrierCall) -> SafeString:
        """Without the carrier's words, which leave the other columns no room."""
        label = call_result(call.result)
        return badges.badge(label.text, tone=label.tone)

    @admin.display(description=_("took (ms)"))
    def took(self, call: CarrierCall) -> SafeString:
        return badges.number(call.duration_ms)

    @admin.display(description=_("in the same call"))
    def others(self, call: CarrierCall) -> SafeString:
        """The other parcels that the call named."""
        rows = [row for row in rows_of(call) if row.pk != call.pk]
        links = [badges.link(row.subject, "admin:logistics_carriercall_change", row.pk) for row in rows]
        return format_html(" ".join("{}" for _link in links), *links) if links else badges.NOTHING

    @admin.display(description=_("request"))
    def sent(self, call: CarrierCall) -> SafeString:
        return _body(first_of(call).request)

    @admin.display(description=_("response"))
    def received(self, call: CarrierCall) -> SafeString:
        return _body(first_of(call).response)


def rows_of(call: CarrierCall) -> list[CarrierCall]:
    """The rows of one call, one for each parcel that it named."""
    if not call.batch:
        return [call]
    near = CarrierCall.objects.filter(
        account=call.account_id,
        batch=call.batch,
        pk__range=(call.pk - MOST_OF_A_CALL, call.pk + MOST_OF_A_CALL),
    )
    return list(near.order_by("pk"))


def first_of(call: CarrierCall) -> CarrierCall:
    """The row that keeps what was sent and received."""
    return call if call.is_first else next((row for row in rows_of(call) if row.is_first), call)


def _body(text: str) -> SafeString:
    """A masked body as it was stored; JSON that is whole is indented."""
    if not text:
        return badges.NOTHING
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        pass  # a form, XML, or a beginning
    return format_html('<pre class="os-raw">{}</pre>', text)
