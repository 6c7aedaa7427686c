"""The log of runs: what each rule saw, whether it matched, and what became of its actions."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.automation import words
from ordersite.automation.actions.registry import words_of
from ordersite.automation.admin.labels import ACTION_TONES, RUN_TONES
from ordersite.automation.catalogue.triggers import label_of
from ordersite.automation.models import ActionRun, ActionState, RuleRun, RunState
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.read_only import OwnPage, ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, order_number, row_id


@admin.register(RuleRun)
class RuleRunAdmin(OwnPage, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = ("serial", "rule_name", "result", "order_link", "event_words", "happened")
    list_display_links = ("serial", "rule_name")
    list_filter = ("rule", "state")
    list_select_related = ("rule", "order")
    search_fields = ("order__number",)
    search_help_text = _("Order number or #run")
    shapes = (row_id(), order_number())

    def own_page(self, request: HttpRequest, row: RuleRun) -> HttpResponse:
        actions = ActionRun.objects.filter(run=row).order_by("position")
        stored = row.version.actions
        context = {
            **self.admin_site.each_context(request),
            "title": _("Run of the rule “%(rule)s”") % {"rule": row.rule.name},
            "opts": self.opts,
            "run": row,
            "result": self.result(row),
            "event": label_of(row.event),
            "order": badges.link(row.order.number, "orders_order_change", row.order_id),
            "seen": words.seen_words(row.seen),
            "failed": words.failed_words(row.version, row.failed) if row.failed else "",
            "actions": [_shown(one, stored) for one in actions],
        }
        return TemplateResponse(request, "admin/desk/rule_run.html", context)

    @admin.display(description="#")
    def serial(self, run: RuleRun) -> str:
        return f"#{run.pk}"

    @admin.display(description=_("automation rule"))
    def rule_name(self, run: RuleRun) -> str:
        return run.rule.name

    @admin.display(description=pgettext_lazy("run of a rule", "result"))
    def result(self, run: RuleRun) -> SafeString:
        return badges.badge(RunState(run.state).label, tone=RUN_TONES[run.state])

    @admin.display(description=pgettext_lazy("rule", "when"))
    def event_words(self, run: RuleRun) -> str:
        return label_of(run.event)

    @admin.display(description=pgettext_lazy("run of a rule", "happened"))
    def happened(self, run: RuleRun) -> SafeString:
        return badges.ago(run.at)


def _shown(row: ActionRun, stored: list[dict[str, object]]) -> tuple[str, SafeString, str]:
    """What was to be done, what became of it, and why."""
    text = words.action_words(stored[row.position]) if row.position < len(stored) else row.action
    state = badges.badge(ActionState(row.state).label, tone=ACTION_TONES[row.state])
    return text, state, row.words or words_of(row.action, row.code) or row.code
