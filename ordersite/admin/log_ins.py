"""Admin page of failed log-ins: who waits at which address, and letting them try again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.people import throttle
from ordersite.people.models import LoginFailure


def _release(_request: HttpRequest, failure: LoginFailure, _data: Mapping[str, Any]) -> Promise:
    LoginFailure.objects.filter(pk=failure.pk).delete()
    return _("The failures are forgotten: the person may try again at once.")


@admin.register(LoginFailure)
class LoginFailureAdmin(ConfirmedActionsMixin, ReadOnlyAdmin):
    """A name that nobody has is shown as a dash: it may be a password in the wrong field."""

    person = columns.plain("user", _("user"))
    place = columns.plain("address", _("address"))
    times = columns.plain("failures", _("failures"))
    last = columns.plain("last_at", _("last failure"))
    list_display = ("person", "place", "state", "times", "last")
    list_select_related = ("user",)
    ordering = ("-id",)
    fields = ("person", "place", "state", "times", "last")
    readonly_fields = fields
    confirmed = (
        Confirmed(
            "release",
            _("Let them try again"),
            "people.change_loginfailure",
            _("Make sure first who it was."),
            _release,
            icon="lock_open",
        ),
    )

    @admin.display(description=_("status"))
    def state(self, failure: LoginFailure) -> SafeString:
        until = failure.last_at + throttle.pause_after(failure.failures, throttle.MOST_OF_PAIR)
        if failure.failures >= throttle.MOST_OF_PAIR and until > timezone.now():
            return badges.badge(_("has to wait"), tone="bad")
        return badges.badge(_("may try"), tone="good")
