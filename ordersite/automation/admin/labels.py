"""Words and colours of rules and runs."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.automation.models import ActionState, AutomationRule, RulePause, RunState
from ordersite.lib.adminkit import badges

RUN_TONES: Mapping[str, str] = {
    RunState.UNMATCHED: "plain",
    RunState.WAITING: "moving",
    RunState.DONE: "good",
    RunState.TROUBLE: "bad",
    RunState.LOOP: "waiting",
    RunState.PAUSED: "waiting",
}
ACTION_TONES: Mapping[str, str] = {
    ActionState.WAITING: "moving",
    ActionState.DONE: "good",
    ActionState.PROPOSED: "waiting",
    ActionState.SKIPPED: "plain",
    ActionState.FAILED: "bad",
}


def state_of(rule: AutomationRule) -> SafeString:
    """Whether a rule acts, and if it was paused, why."""
    if rule.is_running:
        return badges.badge(pgettext_lazy("rule", "on"), tone="good")
    if rule.is_on and rule.paused_why:
        why = RulePause(rule.paused_why).label
        detail = f" ({rule.paused_detail})" if rule.paused_detail else ""
        shown = badges.badge(pgettext_lazy("rule", "paused"), tone="bad")
        return format_html("{} <small>{}{}</small>", shown, why, detail)
    return badges.badge(_("off"), tone="plain")
