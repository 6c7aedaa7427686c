"""Rows of automation for the pages: a plain one of each, and many in every state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from orders.models import Order
from ordersite.automation.models import (
    ActionRun,
    ActionState,
    AutomationRule,
    DryRun,
    DryRunRow,
    OrderTag,
    ReleaseRequest,
    RuleRun,
    RuleVersion,
    RunState,
)

CONDITIONS = {
    "match": "all",
    "items": [
        {"field": "total_amount", "operator": "greater", "value": 50000},
        {
            "match": "any",
            "items": [
                {"field": "province", "operator": "one_of", "value": ["广东", "广西", "海南"]},
                {
                    "field": "product_ids",
                    "operator": "has_any",
                    "value": ["thermos-stainless-500ml-limited-2"],
                },
            ],
        },
    ],
}
ACTIONS = [
    {"action": "mail_staff", "params": {"role": "operations", "text": "大额订单，请核对地址。"}},
    {"action": "tag", "params": {"tag": "大额订单"}},
]
SEEN = {"total_amount": 6_666_666_666, "province": "广东", "product_ids": ["cup-1", "lid-1"]}


def build_saved(owner: User, **columns: Any) -> AutomationRule:
    """A rule with one version, written as it is."""
    rule = AutomationRule.objects.create(name="大额订单", owner=owner, **columns)
    rule.current = RuleVersion.objects.create(
        rule=rule, number=1, trigger="order.paid", conditions=CONDITIONS, actions=ACTIONS, digest=f"{rule.pk}",
        author=owner,
    )  # fmt: skip
    rule.save()
    return rule


def build_run(rule: AutomationRule, order: Order, *, state: str, **columns: Any) -> RuleRun:
    assert rule.current is not None
    return RuleRun.objects.create(
        rule=rule, version=rule.current, order=order, fact=f"order.paid:{state}:{order.pk}", event="order.paid",
        at=timezone.now(), state=state, seen=SEEN, done_at=timezone.now(), **columns,
    )  # fmt: skip


def build_dry_run(rule: AutomationRule, by: User, **columns: Any) -> DryRun:
    assert rule.current is not None
    now = timezone.now()
    return DryRun.objects.create(
        version=rule.current, since=now - timedelta(days=7), until=now, started_by=by,
        **{"done_at": now, "facts": 12_345, "matched": 1, **columns},
    )  # fmt: skip


def build_rows(order: Order) -> list[Model]:
    """A rule with a run, a dry run, a proposed release and a tag."""
    owner = User.objects.create_user("rule-owner")
    rule = build_saved(owner)
    run = build_run(rule, order, state=RunState.DONE)
    ActionRun.objects.create(run=run, position=0, action="mail_staff", state=ActionState.DONE)
    dry_run = build_dry_run(rule, owner)
    DryRunRow.objects.create(dry_run=dry_run, position=0, order=order, fact="x", at=timezone.now(), seen=SEEN)
    release = ReleaseRequest.objects.create(order=order, reason="x", proposer=owner)
    OrderTag.objects.create(order=order, name="大额订单")
    return [rule, run, dry_run, release]


def build_many(busy: Order, chief: User, *, sentence: str) -> dict[str, list[int]]:
    """Rules and runs in every state, with long texts; their keys by model."""
    owner = User.objects.create_user("lijianguo.operations", is_staff=True)
    now = timezone.now()
    paused = {
        "is_on": True, "paused_at": now, "paused_why": "right", "paused_detail": "payments.request_refund",
    }  # fmt: skip
    rules = [
        build_saved(owner, is_on=True),
        build_saved(owner, **paused),
        build_saved(chief),
    ]
    runs = []
    for state in RunState.values:
        run = build_run(rules[0], busy, state=state, failed="2.1" if state == RunState.UNMATCHED else "")
        for position, result in enumerate((ActionState.DONE, ActionState.FAILED)):
            ActionRun.objects.create(
                run=run, position=position, action=str(ACTIONS[position]["action"]), state=result,
                code="fault" if position else "", words=sentence if position else "",
            )  # fmt: skip
        runs.append(run)
    dry_runs = [
        build_dry_run(rules[0], chief, is_cut=True, busiest_hour=999, looked_at=now, looked_by=chief),
        build_dry_run(rules[0], chief, problem="fault"),
        build_dry_run(rules[0], chief, done_at=None),
    ]
    for position in range(60):
        DryRunRow.objects.create(
            dry_run=dry_runs[0], position=position, order=busy, fact="x", at=now, seen=SEEN
        )
    for name in ("大额订单", "易碎", "VIP customer in Xinjia"[:20]):
        OrderTag.objects.get_or_create(order=busy, name=name)
    return {
        "automation.automationrule": [rule.pk for rule in rules],
        "automation.rulerun": [run.pk for run in runs],
        "automation.dryrun": [one.pk for one in dry_runs],
    }
