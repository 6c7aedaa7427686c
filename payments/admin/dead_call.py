"""Admin page of webhook calls that failed at the proxy; they are missing in the notification log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, row_id
from payments.admin.notification_filters import NotificationTabs
from payments.models import DeadCall
from payments.providers.registry import provider_choices

_REDIRECTED = _("sent to another address, where no provider follows")
STATUSES = {
    **dict.fromkeys((301, 302, 303, 307, 308), _REDIRECTED),
    400: _("the call was refused"),
    404: _("no such address"),
    405: _("the call is no POST"),
    408: _("the call did not arrive whole in time"),
    413: _("the call was too large"),
    499: _("the provider hung up before our answer"),
    500: _("we failed"),
    502: _("our process did not answer"),
    503: _("we could not take it"),
    504: _("our process did not answer in time"),
}


class DeadCallProviderFilter(admin.SimpleListFilter):
    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return provider_choices()

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadCall]) -> QuerySet[DeadCall]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class StatusFilter(admin.SimpleListFilter):
    """Filter by the statuses that a proxy may answer; asking the table which it holds would read it whole."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(status), status) for status in STATUSES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadCall]) -> QuerySet[DeadCall]:
        status = self.value() or ""
        return queryset.filter(status=int(status)) if status in set(map(str, STATUSES)) else queryset


@admin.register(DeadCall)
class DeadCallAdmin(NotificationTabs, ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("ended", "channel", "account_slug", "how", "reached", "remote_address", "size", "took")
    list_filter = (DeadCallProviderFilter, StatusFilter)
    search_fields = ("request_id",)
    search_help_text = _("Request id or #row")
    shapes = (row_id(r"#[0-9]{1,18}"), column(r"[0-9a-fA-F]{16,64}", "request_id"))
    fields = (
        "at", "channel", "account_slug", "path", "method", "how", "reached", "remote_address", "size", "took", "request_id",
    )  # fmt: skip
    readonly_fields = ("channel", "how", "reached", "size", "took")

    @admin.display(description=_("ended at"))
    def ended(self, call: DeadCall) -> SafeString:
        return badges.ago(call.at)

    @admin.display(description=_("provider"))
    def channel(self, call: DeadCall) -> str:
        return dict(provider_choices()).get(call.provider, call.provider or "–")

    @admin.display(description=_("status"))
    def how(self, call: DeadCall) -> SafeString:
        label: str | Promise = STATUSES.get(call.status, _("ended badly"))
        return badges.badge(f"{call.status} {label}", tone="bad" if call.status >= 499 else "waiting")

    @admin.display(description=_("reached us"))
    def reached(self, call: DeadCall) -> SafeString:
        """Show whether the call reached us; those we answered are in our own log too."""
        if call.upstream_status:
            return badges.badge(_("yes, answered %(status)s") % {"status": call.upstream_status})
        return badges.badge(_("no: its content is lost"), tone="bad")

    @admin.display(description=_("bytes (received / announced)"))
    def size(self, call: DeadCall) -> SafeString:
        return badges.link(f"{call.received:,} / {call.announced:,}", "", None)

    @admin.display(description=_("took (ms)"))
    def took(self, call: DeadCall) -> SafeString:
        return badges.number(call.duration_ms)
