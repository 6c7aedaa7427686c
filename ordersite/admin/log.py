"""What staff did in the back office, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

# The codes with which the actions are written down, and what their buttons are called.
ACTIONS = {
    "add": _("Add"),
    "ask": _("Ask the provider"),
    "check": _("Self-check"),
    "close": _("Close order"),
    "hold": _("Hold"),
    "keys": _("Change keys"),
    "off": _("Switch off"),
    "on": _("Switch on"),
    "refresh": _("Ask the carrier"),
    "release": _("Release"),
    "replay": _("Replay"),
    "resolve": _("Resolve"),
    "retry": _("Try again"),
    "take": _("Take it on"),
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
