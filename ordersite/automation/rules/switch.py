"""Switches rules on and off. On only once a dry run of exactly the current version was looked at."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from ordersite.automation.actions.registry import ACTIONS
from ordersite.automation.errors import not_looked_at, not_permitted
from ordersite.automation.models import AutomationRule, DryRun
from ordersite.automation.rules import pause
from ordersite.automation.rules.rights import MANAGE, check_rights


def is_looked_at(rule: AutomationRule) -> bool:
    """Whether somebody has looked at a finished dry run of the current version."""
    seen = DryRun.objects.filter(version_id=rule.current_id, looked_at__isnull=False)
    return seen.filter(done_at__isnull=False, problem="").exists()


def switch_on(rule_id: int, *, by: AbstractUser) -> AutomationRule:
    """Let a rule act from now on, also one that was paused. Its owner's rights are checked, not those of who switches.

    Raises `DomainError` not_permitted, not_looked_at, right_missing.
    """
    if not by.has_perm(MANAGE):
        raise not_permitted()
    with transaction.atomic():
        rule = _lock(rule_id)
        if rule.current is None or not is_looked_at(rule):
            raise not_looked_at()
        known = [ACTIONS[one["action"]] for one in rule.current.actions if one["action"] in ACTIONS]
        check_rights(rule.owner, known)
        rule.is_on, rule.paused_at, rule.paused_why, rule.paused_detail = True, None, "", ""
        rule.switched_on_at = timezone.now()
        rule.save(update_fields=["is_on", "switched_on_at", "paused_at", "paused_why", "paused_detail"])
        pause.heal(rule.pk)
    return rule


def switch_off(rule_id: int, *, by: AbstractUser) -> AutomationRule:
    """Stop a rule. What it has done stays. Raises `DomainError` not_permitted."""
    if not by.has_perm(MANAGE):
        raise not_permitted()
    with transaction.atomic():
        rule = _lock(rule_id)
        rule.is_on = False
        rule.save(update_fields=["is_on"])
        pause.heal(rule.pk)
    return rule


def _lock(rule_id: int) -> AutomationRule:
    rows = AutomationRule.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("current", "owner").get(pk=rule_id)
