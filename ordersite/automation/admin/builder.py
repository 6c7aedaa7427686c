"""The builder page: a rule's when, if and then as rows to click together, or an example to start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from ordersite.automation.admin import forms
from ordersite.automation.catalogue.examples import examples
from ordersite.automation.catalogue.fields import FIELDS
from ordersite.automation.catalogue.kinds import KIND_HINTS, OPERATORS, Operator, form_of
from ordersite.automation.catalogue.triggers import SCHEDULES
from ordersite.automation.models import AutomationRule, RuleVersion
from ordersite.automation.rules.rights import MANAGE
from ordersite.automation.rules.save import RuleDraft, add_rule, save_version
from ordersite.lib.adminkit.confirmed import log_action, person
from ordersite.lib.errors import DomainError


@dataclass(slots=True)
class BuilderForms:
    """The three forms of the page."""

    rule: forms.RuleForm
    conditions: Any
    actions: Any

    @classmethod
    def given(cls, data: QueryDict) -> BuilderForms:
        return cls(
            forms.RuleForm(data),
            forms.ConditionRows(data, prefix="conditions"),
            forms.ActionRows(data, prefix="actions"),
        )

    @classmethod
    def filled(
        cls,
        rule: Mapping[str, Any],
        conditions: Mapping[str, Any] | None = None,
        actions: list[dict[str, Any]] | None = None,
    ) -> BuilderForms:
        stored = conditions or {}
        return cls(
            forms.RuleForm(initial={**rule, "match": stored.get("match", "all")}),
            forms.ConditionRows(prefix="conditions", initial=forms.condition_rows(stored)),
            forms.ActionRows(prefix="actions", initial=forms.action_rows(actions or [])),
        )

    def is_valid(self) -> bool:
        return all([self.rule.is_valid(), self.conditions.is_valid(), self.actions.is_valid()])

    def draft(self) -> RuleDraft:
        """What was built; the forms are valid."""
        data = self.rule.cleaned_data
        return RuleDraft(
            name=data["name"],
            trigger=data["trigger"],
            hours=data["hours"],
            merchant=data["merchant"],
            most_an_hour=data["most_an_hour"],
            conditions=forms.conditions_of(data["match"], self.conditions.cleaned_data),
            actions=forms.actions_of(self.actions.cleaned_data),
        )


class BuilderMixin:
    """Adds the pages «new rule» and «edit» to those of the rules."""

    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.edit_view)
        own = path("<int:object_id>/edit/", view, name="automation_automationrule_edit")
        return [own, *super().get_urls()]  # type: ignore[misc]  # the admin class beside this mixin has it

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(MANAGE))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the builder, empty or with an example, and add the rule."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._page(request, _new(request.GET.get("example", "")), _("New automation rule"))
        built = BuilderForms.given(request.POST)
        if built.is_valid():
            try:
                rule = add_rule(built.draft(), by=person(request))
            except DomainError as refused:
                built.rule.add_error(None, refused.message)
            else:
                return _saved(request, rule)
        return self._page(request, built, _("New automation rule"))

    def edit_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show the builder with the current version, and save another one."""
        if not request.user.has_perm(MANAGE):
            raise PermissionDenied
        rule: AutomationRule = self.row_or_404(request, str(object_id))  # type: ignore[attr-defined]
        version = RuleVersion.objects.filter(rule=rule).order_by("-number")[0]
        if request.method != "POST":
            return self._page(request, _of(rule, version), rule.name, version)
        built = BuilderForms.given(request.POST)
        if built.is_valid():
            try:
                based_on = int(request.POST.get("based_on", "0"))
                rule = save_version(rule.pk, built.draft(), by=person(request), based_on=based_on)
            except (DomainError, ValueError) as refused:
                built.rule.add_error(None, getattr(refused, "message", str(refused)))
            else:
                return _saved(request, rule)
        return self._page(request, built, rule.name, version)

    def _page(
        self, request: HttpRequest, built: BuilderForms, title: Any, version: RuleVersion | None = None
    ) -> TemplateResponse:
        stem = "admin:automation_automationrule"
        back = reverse(f"{stem}_change", args=[version.rule_id]) if version else reverse(f"{stem}_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "built": built,
            "version": version,
            "examples": () if version or request.method == "POST" else examples().values(),
            "catalogue": catalogue(),
            "back": back,
        }
        return TemplateResponse(request, "admin/desk/rule_builder.html", context)


def _new(example: str) -> BuilderForms:
    chosen = examples().get(example)
    if chosen is None:
        return BuilderForms.filled({})
    conditions = {"match": "all", "items": list(chosen.conditions)}
    rule = {"name": str(chosen.name), "trigger": chosen.trigger, "hours": chosen.hours}
    return BuilderForms.filled(rule, conditions, chosen.stored_actions())


def _of(rule: AutomationRule, version: RuleVersion) -> BuilderForms:
    values = {
        "name": rule.name,
        "trigger": version.trigger,
        "hours": version.hours,
        "merchant": version.merchant_id,
        "most_an_hour": rule.most_an_hour,
    }
    return BuilderForms.filled(values, version.conditions, version.actions)


def _saved(request: HttpRequest, rule: AutomationRule) -> HttpResponse:
    number = rule.current.number if rule.current else 1
    log_action(request, rule, f"version {number}")
    messages.success(
        request, str(_("Saved. The rule is off: start a dry run, look at it, then switch the rule on."))
    )
    return HttpResponseRedirect(reverse("admin:automation_automationrule_change", args=[rule.pk]))


def catalogue() -> str:
    """What the page's script has to know of fields and operators, as JSON in the reader's language."""
    return json.dumps(
        {
            "fields": {
                field.key: {
                    "kind": str(field.kind),
                    "choices": [[key, str(label)] for key, label in field.choices()],
                    "hint": str(KIND_HINTS.get(field.kind, "")),
                }
                for field in FIELDS.values()
            },
            "operators": {str(kind): [str(one) for one in own] for kind, own in OPERATORS.items()},
            "forms": {str(one): str(form_of(one)) for one in Operator},
            "schedules": list(SCHEDULES),
        },
        ensure_ascii=False,
    )
