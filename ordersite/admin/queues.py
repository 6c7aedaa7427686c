"""Admin pages of the event queue (waiting and parked deliveries) and of the audit entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.flow import FLOW
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import Shape, ShapeSearchMixin, column, row_id
from ordersite.lib.errors import DomainError
from ordersite.queue import deploys
from ordersite.queue.models import AuditEntry, Delivery


def _retry(_request: HttpRequest, delivery: Delivery, _data: Mapping[str, Any]) -> Promise:
    """Retry a delivery. Refused for a handler that this version does not know."""
    if delivery.handler == deploys.UNKNOWN and delivery.event in FLOW:
        deploys.take_up(delivery, deploys.keys_of(FLOW))
        return _("The delivery is in the queue again.")
    if delivery.handler not in {key for handlers in FLOW.values() for key in handlers}:
        raise DomainError("unknown_handler", _("Nobody here takes “%(handler)s”."), handler=delivery.handler)
    Delivery.objects.filter(pk=delivery.pk).update(
        parked_at=None, attempts=0, due_at=timezone.now(), leased_until=None
    )
    return _("The delivery is in the queue again.")


class ParkedFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("parked", _("parked")), ("waiting", _("waiting"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset.filter(parked_at__isnull=self.value() == "waiting") if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(ConfirmedActionsMixin, ReadOnlyAdmin):
    """Admin of deliveries that wait, are retried or are parked. Finished ones are deleted."""

    name = columns.plain("event", _("event"))
    taker = columns.plain("handler", _("handler"))
    subject = columns.plain("subject_id", _("row"))
    content = columns.plain("payload", _("content"))
    tries = columns.plain("attempts", _("attempts"))
    due = columns.due()
    parked = columns.plain("parked_at", _("parked at"))
    problem = columns.plain("last_error", _("last problem"))

    list_display = ("name", "taker", "subject", "state", "tries", "happened", "problem")
    list_filter = (ParkedFilter,)
    fields = ("name", "taker", "subject", "content", "happened", "tries", "due", "parked", "problem")
    readonly_fields = fields
    confirmed = (
        Confirmed(
            "retry",
            _("Try again"),
            "rails.change_delivery",
            _("The parked delivery is handed to its handler again."),
            _retry,
            fits=lambda delivery: delivery.parked_at is not None,
            icon="replay",
        ),
    )

    @admin.display(description=_("status"))
    def state(self, delivery: Delivery) -> SafeString:
        if delivery.parked_at:
            return badges.badge(_("parked"), tone="bad")
        return badges.badge(_("waiting"), tone="waiting")

    @admin.display(description=_("time"))
    def happened(self, delivery: Delivery) -> SafeString:
        return badges.ago(delivery.event_at)


def _row_of_table() -> Shape:
    return column(r"[a-z_]{3,60}", "table_name")


@admin.register(AuditEntry)
class AuditEntryAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("changed", "table", "entry", "name", "before", "after", "by")
    search_fields = ("table_name",)
    search_help_text = _("Table name or #entry")
    shapes = (row_id(), _row_of_table())
    table = columns.plain("table_name", _("table"))
    entry = columns.plain("row_id", _("row"))
    name = columns.plain("column_name", _("column"))
    before = columns.plain("old_value", _("before"))
    after = columns.plain("new_value", _("after"))
    by = columns.plain("database_user", _("database user"))
    fields = ("table", "entry", "name", "before", "after", "by", "changed")
    readonly_fields = fields

    @admin.display(description=_("changed at"))
    def changed(self, entry: AuditEntry) -> SafeString:
        return badges.ago(entry.changed_at)
