"""The page of the limits after which a parcel is stalled; each change is audited."""

from __future__ import annotations

from django.contrib import admin

from logistics.models import StallRule
from orders.admin.audited_settings import AuditedSettingsAdmin

LIMITS = ("no_news_hours", "pick_up_hours", "locker_hours", "signature_hours", "failed_deliveries")


@admin.register(StallRule)
class StallRuleAdmin(AuditedSettingsAdmin):
    list_display = ("merchant", "carrier", *LIMITS)
    list_filter = ("merchant", "carrier")
    set_once = ("merchant", "carrier")
    settings = LIMITS
