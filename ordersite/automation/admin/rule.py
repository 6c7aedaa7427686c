"""Pages of automation rules: the list, a rule with what it does and did, its switch, and the builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.automation import words
from ordersite.automation.admin.builder import BuilderMixin
from ordersite.automation.admin.labels import RUN_TONES, state_of
from ordersite.automation.models import AutomationRule, DryRun, RuleRun, RunState
from ordersite.automation.past.run import MOST_DAYS, start_dry_run
from ordersite.automation.rules.rights import MANAGE
from ordersite.automation.rules.switch import is_looked_at, switch_off, switch_on
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.confirmed import (
    Confirmed,
    ConfirmedActionsMixin,
    Lead,
    NothingForm,
    person,
)
from ordersite.lib.adminkit.read_only import OwnPage, ReadOnlyAdmin

_NEWEST = 10


class DaysForm(forms.Form):
    """How far back a dry run goes."""

    days = forms.IntegerField(
        label=_("over how many past days"),
        min_value=1,
        max_value=MOST_DAYS,
        initial=7,
        widget=fields.number_input(),
    )


def _switch_on(request: HttpRequest, rule: AutomationRule, _data: Mapping[str, Any]) -> Promise:
    switch_on(rule.pk, by=person(request))
    return _("The rule is on. It acts on what happens from now on.")


def _switch_off(request: HttpRequest, rule: AutomationRule, _data: Mapping[str, Any]) -> Promise:
    switch_off(rule.pk, by=person(request))
    return _("The rule is off. What it has done stays.")


def _dry_run(request: HttpRequest, rule: AutomationRule, data: Mapping[str, Any]) -> Promise:
    start_dry_run(rule, days=data["days"], by=person(request))
    return _("The dry run is under way; its result stands on this page in a moment.")


_CONFIRMED = (
    Confirmed(
        "dry_run",
        _("Dry run"),
        MANAGE,
        _(
            "Goes through what happened in the last days and lists where this version would have acted. Nothing is "
            "sent, and no order is touched."
        ),
        _dry_run,
        form=DaysForm,
        icon="science",
    ),
    Confirmed(
        "on",
        _("Switch on"),
        MANAGE,
        _("The rule acts by itself from now on, with the rights of its owner. Look at its dry run first."),
        _switch_on,
        form=NothingForm,
        fits=lambda rule: not rule.is_running,
        icon="toggle_on",
    ),
    Confirmed(
        "off",
        _("Switch off"),
        MANAGE,
        _("The rule does nothing any more. What it has done stays."),
        _switch_off,
        form=NothingForm,
        fits=lambda rule: rule.is_on,
        icon="toggle_off",
    ),
)


@admin.register(AutomationRule)
class AutomationRuleAdmin(BuilderMixin, OwnPage, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("title", "state", "when", "then", "shop", "owner_name")
    list_display_links = ("title",)
    list_filter = ("is_on",)
    list_select_related = ("current__merchant", "owner")
    ordering = ("id",)
    confirmed = _CONFIRMED
    leads = (
        Lead(
            "edit",
            _("Change the rule"),
            MANAGE,
            lambda rule: reverse("admin:automation_automationrule_edit", args=[rule.pk]),
            icon="edit",
        ),
    )

    def own_page(self, request: HttpRequest, row: AutomationRule) -> HttpResponse:
        version = row.current
        if version is None:  # saved in one transaction with its rule: there always is one
            raise RuntimeError(f"rule {row.pk} has no version")
        dry_runs = DryRun.objects.filter(version__rule=row).select_related("version", "started_by")
        runs = RuleRun.objects.filter(rule=row).exclude(state=RunState.UNMATCHED)
        context = {
            **self.admin_site.each_context(request),
            "title": row.name,
            "opts": self.opts,
            "rule": row,
            "version": version,
            "state": state_of(row),
            "next_step": _next_step(row),
            "when": words.when_words(version),
            "match": words.match_words(version.conditions["match"]),
            "if_lines": words.if_lines(version),
            "then_lines": [words.action_words(one) for one in version.actions],
            "shop": self.shop(row),
            "versions": row.versions.select_related("author"),
            "dry_runs": dry_runs[:_NEWEST],
            "runs": [
                (run, badges.badge(RunState(run.state).label, tone=RUN_TONES[run.state]))
                for run in runs.select_related("order").order_by("-pk")[:_NEWEST]
            ],
            "confirmed_actions": self.buttons(request, row),
        }
        return TemplateResponse(request, "admin/desk/rule.html", context)

    def facts_of(self, row: AutomationRule) -> SafeString:
        return badges.facts(
            [
                (pgettext_lazy("rule", "when"), self.when(row)),
                (pgettext_lazy("rule", "then"), self.then(row)),
                (pgettext_lazy("rule", "owner"), row.owner),
            ]
        )

    @admin.display(description=_("automation rule"))
    def title(self, rule: AutomationRule) -> str:
        return rule.name

    @admin.display(description=pgettext_lazy("rule", "state"))
    def state(self, rule: AutomationRule) -> SafeString:
        return state_of(rule)

    @admin.display(description=pgettext_lazy("rule", "when"))
    def when(self, rule: AutomationRule) -> str:
        return words.when_words(rule.current) if rule.current else "–"

    @admin.display(description=pgettext_lazy("rule", "then"))
    def then(self, rule: AutomationRule) -> SafeString | str:
        if rule.current is None:
            return "–"
        return format_html_join(
            "", "<div>{}</div>", ((words.action_words(one),) for one in rule.current.actions)
        )

    @admin.display(description=_("merchant"))
    def shop(self, rule: AutomationRule) -> str | SafeString:
        merchant = rule.current.merchant if rule.current else None
        return merchant.name if merchant else badges.badge(_("every shop"))

    @admin.display(description=pgettext_lazy("rule", "owner"))
    def owner_name(self, rule: AutomationRule) -> SafeString:
        return format_html("{}", rule.owner.get_username())


def _next_step(rule: AutomationRule) -> str | Promise:
    """What a person has to do so that the rule acts; empty while it does."""
    if rule.is_running:
        return ""
    if rule.paused_at is not None:
        return _("The rule is paused. Put right why, then switch it on again.")
    finished = DryRun.objects.filter(version_id=rule.current_id, done_at__isnull=False, problem="")
    if is_looked_at(rule):
        return _("The dry run was looked at: the rule can be switched on.")
    if finished.exists():
        return _("Open the dry run below and say that you have looked at it.")
    return _("Start a dry run: it shows what the rule would have done in the last days.")
