"""Admin page of the alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.monitoring import figures
from ordersite.health.models import Alert
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin


def _close(_request: HttpRequest, alert: Alert, _data: Mapping[str, Any]) -> Promise:
    Alert.objects.filter(pk=alert.pk, closed_at__isnull=True).update(closed_at=timezone.now())
    return _("The alert is closed. Should it happen again, a new one opens.")


class OpenFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", pgettext_lazy("alert", "open")), ("closed", _("closed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        return queryset.filter(closed_at__isnull=self.value() == "open") if self.value() else queryset


@admin.register(Alert)
class AlertAdmin(ConfirmedActionsMixin, ReadOnlyAdmin):
    """Admin of alerts: the open ones first."""

    first = columns.plain("opened_at", pgettext_lazy("alert", "first"))
    last = columns.plain("last_at", pgettext_lazy("alert", "last"))
    closed = columns.plain("closed_at", _("closed at"))
    times = columns.plain("count", pgettext_lazy("alert", "times"))

    list_display = ("label", "about", "state", "times", "first", "last", "evidence")
    list_filter = (OpenFilter, "kind")
    fields = ("label", "about", "evidence", "times", "first", "last", "closed")
    readonly_fields = fields
    ordering = ("-id",)
    confirmed = (
        Confirmed(
            "resolve",
            _("Close the alert"),
            "health.change_alert",
            _("For what was put right by hand. Alerts that heal are closed by themselves."),
            _close,
            fits=lambda alert: alert.closed_at is None,
            icon="check",
        ),
    )

    @admin.display(description=_("kind"))
    def label(self, alert: Alert) -> str:
        return alert.get_kind_display()

    @admin.display(description=pgettext_lazy("alert", "about"))
    def about(self, alert: Alert) -> SafeString | str:
        """What it is about; for an alert about orders a link to the page with their numbers."""
        address = figures.address_of(alert)
        return (
            format_html('<a class="os-link" href="{}">{}</a>', address, alert.subject)
            if address
            else alert.subject
        )

    @admin.display(description=pgettext_lazy("alert", "evidence"))
    def evidence(self, alert: Alert) -> str:
        return figures.sentence_of(alert)

    @admin.display(description=_("status"))
    def state(self, alert: Alert) -> SafeString:
        if alert.closed_at:
            return badges.badge(_("closed"), tone="good")
        return badges.badge(pgettext_lazy("alert", "open"), tone="bad")
