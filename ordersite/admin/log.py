"""What staff did in the back office, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    list_display = ("when", "user", "content_type", "object_repr", "what")
    list_select_related = ("user", "content_type")
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "change_message")

    @admin.display(description=_("time"))
    def when(self, entry: LogEntry) -> SafeString:
        return badges.ago(entry.action_time)

    @admin.display(description=_("what was done"))
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message()
