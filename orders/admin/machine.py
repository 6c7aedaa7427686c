"""Admin pages of the state machine's rules. Staff can only switch a rule on or off; each change is audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders import machine
from orders.labels import ACTIONS, TRIGGERS
from orders.models import OrderStatus, TransitionRule
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin


def _switch_off(_request: HttpRequest, rule: TransitionRule, _data: Mapping[str, Any]) -> Promise:
    TransitionRule.objects.filter(pk=rule.pk).update(is_enabled=False)
    return _("The row is switched off. It holds from the next order on.")


def _switch_on(_request: HttpRequest, rule: TransitionRule, _data: Mapping[str, Any]) -> Promise:
    TransitionRule.objects.filter(pk=rule.pk).update(is_enabled=True)
    return _("The row is switched on.")


@admin.register(TransitionRule)
class TransitionRuleAdmin(ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("row_name", "trigger_name", "switch")
    list_filter = ("is_enabled",)
    ordering = ("id",)
    fields = ("row_name", "trigger_name", "switch")
    readonly_fields = fields
    confirmed = (
        Confirmed(
            code="off",
            label=_("Switch off"),
            permission="orders.change_transitionrule",
            explain=_(
                "This trigger can no longer make this change. Events that arrive are kept and refused by name."
            ),
            run=_switch_off,
            form=ReasonForm,
            fits=lambda rule: rule.is_enabled,
            tone="bad",
            icon="toggle_off",
        ),
        Confirmed(
            code="on",
            label=_("Switch on"),
            permission="orders.change_transitionrule",
            explain=_("This trigger can make this change again, at once and in every process."),
            run=_switch_on,
            form=ReasonForm,
            fits=lambda rule: not rule.is_enabled,
            icon="toggle_on",
        ),
    )

    @admin.display(description=_("change of state"))
    def row_name(self, rule: TransitionRule) -> str:
        labels = dict(OrderStatus.choices)
        target = labels[machine.TARGETS[machine.Action(rule.action)]]
        return f"{labels[rule.from_status]} → {target} ({ACTIONS[machine.Action(rule.action)]})"

    @admin.display(description=_("trigger"))
    def trigger_name(self, rule: TransitionRule) -> str | Promise:
        return TRIGGERS.get(rule.trigger, rule.trigger)

    @admin.display(description=_("switched on"))
    def switch(self, rule: TransitionRule) -> SafeString:
        return badges.badge(_("on"), tone="good") if rule.is_enabled else badges.badge(_("off"), tone="bad")
