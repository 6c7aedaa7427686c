"""The page of a dry run: what the version would have done, and what could not be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.automation import words
from ordersite.automation.models import DryRun, DryRunRow
from ordersite.automation.past.facts import MOST
from ordersite.automation.past.run import MOST_ROWS, look_at
from ordersite.automation.rules.rights import MANAGE
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import OwnPage, ReadOnlyAdmin
from ordersite.lib.adminkit.search import row_number

_ROWS_A_PAGE = 50


def _look_at(request: HttpRequest, dry_run: DryRun, _data: Mapping[str, Any]) -> Promise:
    look_at(dry_run, by=person(request))
    return _("Noted. The rule can be switched on now.")


@admin.register(DryRun)
class DryRunAdmin(OwnPage, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("serial", "rule_name", "version_number", "state", "found", "started_name", "started")
    list_display_links = ("serial", "rule_name")
    list_select_related = ("version__rule", "started_by")
    confirmed = (
        Confirmed(
            "looked",
            _("I have looked at it"),
            MANAGE,
            _("You have seen what this version would have done."),
            _look_at,
            fits=lambda dry_run: dry_run.is_finished and dry_run.looked_at is None,
            icon="visibility",
            is_harmless=True,
        ),
    )

    def after_action(self, row: Any) -> str:
        return reverse("admin:automation_automationrule_change", args=[row.version.rule_id])

    def own_page(self, request: HttpRequest, row: DryRun) -> HttpResponse:
        rows = DryRunRow.objects.filter(dry_run=row).select_related("order").order_by("-position")
        page = Paginator(rows, _ROWS_A_PAGE).get_page(row_number(request.GET.get("p", "")) or 1)
        version = row.version
        context = {
            **self.admin_site.each_context(request),
            "title": _("Dry run of “%(rule)s”") % {"rule": version.rule.name},
            "opts": self.opts,
            "dry_run": row,
            "version": version,
            "state": self.state(row),
            "when": words.when_words(version),
            "if_lines": words.if_lines(version),
            "then_lines": [words.action_words(one) for one in version.actions],
            "rows": [(one, words.seen_words(one.seen)) for one in page],
            "page": page,
            "most": MOST,
            "most_rows": MOST_ROWS,
            "is_over_cap": row.busiest_hour > version.rule.most_an_hour,
            "unknown": words.unknown_past(version),
            "back": self.after_action(row),
            "confirmed_actions": self.buttons(request, row),
        }
        return TemplateResponse(request, "admin/desk/rule_dry_run.html", context)

    @admin.display(description="#")
    def serial(self, dry_run: DryRun) -> str:
        return f"#{dry_run.pk}"

    @admin.display(description=_("automation rule"))
    def rule_name(self, dry_run: DryRun) -> str:
        return dry_run.version.rule.name

    @admin.display(description=pgettext_lazy("rule", "version"))
    def version_number(self, dry_run: DryRun) -> str:
        return str(dry_run.version.number)

    @admin.display(description=_("status"))
    def state(self, dry_run: DryRun) -> SafeString:
        if dry_run.problem:
            return badges.badge(_("failed"), tone="bad")
        if not dry_run.is_finished:
            return badges.badge(_("running"), tone="moving")
        if dry_run.looked_at is None:
            return badges.badge(_("to be looked at"), tone="waiting")
        return badges.badge(pgettext_lazy("dry run", "looked at"), tone="good")

    @admin.display(description=_("would have acted"))
    def found(self, dry_run: DryRun) -> SafeString:
        return badges.number(dry_run.matched if dry_run.is_finished else None)

    @admin.display(description=_("started by"))
    def started_name(self, dry_run: DryRun) -> str:
        return dry_run.started_by.get_username()

    @admin.display(description=_("started at"))
    def started(self, dry_run: DryRun) -> SafeString:
        return badges.ago(dry_run.created_at)
