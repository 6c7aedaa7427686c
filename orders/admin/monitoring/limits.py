"""The page of the limits from which operations are alerted; each change is audited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from orders.admin.audited_settings import AuditedSettingsAdmin
from orders.models import WatchLimit
from orders.monitoring.limits import NAMES, Limits


@admin.register(WatchLimit)
class WatchLimitAdmin(AuditedSettingsAdmin):
    # The rest stand on the row's page: a list of all is wider than its window.
    list_display = ("whose", *NAMES[:4])
    set_once = ("merchant",)
    settings = NAMES

    @admin.display(description=_("merchant"))
    def whose(self, row: WatchLimit) -> str:
        return str(row)

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest | None, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name in NAMES:
            built_in = getattr(Limits(), db_field.name)
            field.help_text = format_lazy(
                _("Empty: that of all merchants, or else {number}."), number=built_in
            )
        return field
