"""The pages of the log of carriers' pushes."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit.stored_calls import Tab, TabsMixin


class PushTabs(TabsMixin):
    """Stored pushes, the codes that mean nothing here, and counted pushes."""

    tabs_label = _("Log of carrier pushes")
    tabs = (
        Tab(
            _("Stored pushes"),
            "admin:logistics_carriernotification_changelist",
            "logistics.view_carriernotification",
        ),
        Tab(_("Unknown codes"), "admin:logistics_trackingevent_changelist", "logistics.view_trackingevent"),
        Tab(
            _("Refused pushes (counted)"),
            "admin:logistics_refusedpush_changelist",
            "logistics.view_refusedpush",
        ),
    )
