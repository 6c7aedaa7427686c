"""Pauses rules that must not act any longer, with an alert, and finds those whose owner lost the right."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from ordersite.automation.models import AutomationRule, RulePause
from ordersite.automation.rules.rights import needed_by, rights_of
from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert


def pause(rule: AutomationRule, why: RulePause, detail: str = "") -> bool:
    """Pause a running rule and raise an alert; returns whether it was this call that paused it."""
    paused = AutomationRule.objects.running().filter(pk=rule.pk)
    done = paused.update(paused_at=timezone.now(), paused_why=why, paused_detail=detail[:200])
    if done:
        text = f"{rule.name}: {why}" + (f" ({detail})" if detail else "")
        raise_alert(Alert.Kind.RULE_PAUSED, subject_of(rule.pk), text)
    return bool(done)


def subject_of(rule_id: int) -> str:
    """What the alert is about."""
    return f"rule {rule_id}"


def heal(rule_id: int) -> None:
    heal_alert(Alert.Kind.RULE_PAUSED, subject_of(rule_id))


def lacking(held: frozenset[str] | None, actions: list[dict[str, object]]) -> tuple[RulePause, str] | None:
    """Why an owner with these rights may not have a rule with these actions; None where they may."""
    if held is None:
        return RulePause.OWNER, ""
    missing = sorted(needed_by(actions) - held)
    return (RulePause.RIGHT, ", ".join(missing)) if missing else None


def pause_without_right() -> int:
    """Pause the running rules whose owner is gone or lacks a right; returns how many."""
    rules = list(AutomationRule.objects.running().select_related("current"))
    rights = rights_of({rule.owner_id for rule in rules})
    count = 0
    for rule in rules:
        why = lacking(rights[rule.owner_id], rule.current.actions) if rule.current else None
        if why:
            with transaction.atomic():
                count += pause(rule, *why)
    return count
