"""The base of the admin pages of cases: open ones first, assign to oneself, resolve with a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm
from ordersite.lib.adminkit.queues import is_open
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin

Run = Callable[[HttpRequest, Any, Mapping[str, Any]], str | Promise]


def resolve_action(permission: str, run: Run) -> Confirmed:
    return Confirmed(
        "resolve",
        _("Resolve"),
        permission,
        _("The case leaves the queue. The note stays with it."),
        run,
        form=ReasonForm,
        fits=is_open,
        icon="task_alt",
    )


def take_action(permission: str, run: Run) -> Confirmed:
    return Confirmed(
        "take",
        _("Take it on"),
        permission,
        _("You become the owner of this case."),
        run,
        fits=is_open,
        icon="front_hand",
        is_harmless=True,
    )


class CaseAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    """Admin of a model derived from `AbstractCase`, with `kind` and `order`."""

    order_link = columns.order()

    @admin.display(description=_("kind"))
    def name(self, case: Any) -> str:
        return str(case)

    @admin.display(description=_("age"))
    def raised(self, case: Any) -> SafeString:
        return badges.lasting(case.created_at, case.resolved_at)

    @admin.display(description=_("status"))
    def state(self, case: Any) -> SafeString:
        if is_open(case):
            return badges.badge(_("to do"), tone="bad")
        return badges.badge(_("resolved"), tone="good")
