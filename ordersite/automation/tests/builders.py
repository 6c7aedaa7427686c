"""Builders of people, rules and facts for the tests of automation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from ordersite.automation.engine import execute
from ordersite.automation.models import ActionRun, AutomationRule, DryRun, RuleRun
from ordersite.automation.rules.save import RuleDraft, add_rule
from ordersite.automation.rules.switch import switch_on
from ordersite.relay import run_relay

TAG_IT = ({"action": "tag", "params": {"tag": "大单"}},)


def build_person(role: str = "supervisor", *, name: str = "") -> User:
    user, _new = User.objects.get_or_create(username=name or role, defaults={"is_staff": True, "email": ""})
    user.groups.add(Group.objects.get(name=role))
    return user


def all_of(*conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {"match": "all", "items": list(conditions)}


def over(yuan: int) -> dict[str, Any]:
    return {"field": "total_amount", "operator": "greater", "value": yuan * 100}


def build_rule(
    trigger: str = "order.paid",
    *,
    by: User | None = None,
    conditions: Mapping[str, Any] | None = None,
    actions: Sequence[Mapping[str, Any]] = TAG_IT,
    **more: Any,
) -> AutomationRule:
    """A rule that is switched off."""
    draft = RuleDraft(
        name=more.pop("name", "大额订单"), trigger=trigger, conditions=conditions or all_of(), actions=actions, **more
    )  # fmt: skip
    return add_rule(draft, by=by or build_person())


def look_at_dry_run(rule: AutomationRule) -> DryRun:
    """A finished dry run of the current version that somebody has looked at."""
    now = timezone.now()
    assert rule.current is not None
    return DryRun.objects.create(
        version=rule.current, since=now - timedelta(days=7), until=now, started_by=rule.owner, done_at=now,
        looked_at=now, looked_by=rule.owner,
    )  # fmt: skip


def build_running(trigger: str = "order.paid", **more: Any) -> AutomationRule:
    """A rule that acts."""
    rule = build_rule(trigger, **more)
    look_at_dry_run(rule)
    return switch_on(rule.pk, by=rule.owner)


def work() -> None:
    """Deliver the events, then do the actions, until nothing is left."""
    while run_relay() + execute.run_actions():
        pass


def results(rule: AutomationRule) -> list[tuple[str, str, str]]:
    """Action, state and code of all that a rule did, in order."""
    rows = ActionRun.objects.filter(run__rule=rule).order_by("run_id", "position")
    return list(rows.values_list("action", "state", "code"))


def states(rule: AutomationRule) -> list[str]:
    return list(RuleRun.objects.filter(rule=rule).order_by("pk").values_list("state", flat=True))
