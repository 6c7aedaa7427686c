"""Read-only admin pages of the log of staff actions."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

# Labels of the action codes in the log: those of the buttons.
ACTIONS = {
    "add": _("Add"),
    "approve": _("Approve"),
    "ask": _("Query the provider"),
    "assign": pgettext_lazy("case", "Give to a colleague"),
    "changed": _("Changed by approval"),
    "check": _("Self-check"),
    "close": _("Close order"),
    "hold": _("Hold"),
    "keys": _("Change keys"),
    "off": _("Switch off"),
    "on": _("Switch on"),
    "propose": _("Propose"),
    "refresh": _("Poll the carrier"),
    "refund": _("Refund it"),
    "refuse": pgettext_lazy("review", "Refuse"),
    "release": _("Release"),
    "replay": _("Replay"),
    "resolve": _("Resolve"),
    "retry": _("Try again"),
    "revive": _("Propose to revive the order"),
    "tag": _("Put a tag on"),
    "take": _("Take it on"),
    "try": _("Query the provider"),
    "untag": _("Take a tag off"),
    "withdraw": _("Withdraw"),
}


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    list_display = ("when", "user", "content_type", "object_repr", "what")
    list_select_related = ("user", "content_type")
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "what")
    readonly_fields = ("what",)

    @admin.display(description=_("time"))
    def when(self, entry: LogEntry) -> SafeString:
        return badges.ago(entry.action_time)

    @admin.display(description=_("what was done"))
    def what(self, entry: LogEntry) -> str:
        message = entry.get_change_message()
        code, _colon, reason = message.partition(": ")
        return " · ".join(filter(None, (str(ACTIONS[code]), reason))) if code in ACTIONS else message
