"""Runs rules over facts: a row for each rule and fact, once, and a row for each action to do.

A batch takes a constant number of statements: the running rules, their owners' rights, the values that any of them
needs, the runs, their actions. The actions are done afterwards, one by one: `engine.execute`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from orders.models import Order
from ordersite.automation.conditions import ConditionGroup
from ordersite.automation.engine.compiled import group_of, judge
from ordersite.automation.models import (
    ActionRun,
    AutomationRule,
    RulePause,
    RuleRun,
    RuleVersion,
    RunState,
)
from ordersite.automation.rules import pause
from ordersite.automation.rules.rights import rights_of
from ordersite.automation.snapshots.facts import RuleFact, facts_of
from ordersite.automation.snapshots.read import read
from ordersite.database import bulk
from ordersite.queue import wakeups
from ordersite.queue.relay import Answer, Delivered

TASK = "automation.run_actions"
# What a rule did may wake another rule, and that one a third; a fourth would be a circle that nobody sees through.
MOST_DEPTH = 3
_STILL = (RunState.UNMATCHED, RunState.LOOP)


@dataclass(frozen=True, slots=True)
class RunningRule:
    """A rule that may act, with its version parsed; `keys` are the fields that its conditions name."""

    rule: AutomationRule
    version: RuleVersion
    group: ConditionGroup
    keys: tuple[str, ...]

    def looks_at(self, fact: RuleFact, order: Order) -> bool:
        """Whether the order is of the rule's shop, and the fact not from before the rule was switched on."""
        since = self.rule.switched_on_at
        return self.version.merchant_id in (None, order.merchant_id) and (since is None or fact.at >= since)


@dataclass(slots=True)
class NewRun:
    """A run to insert; its fields are those of `RuleRun`. Lighter than a model: a hundred rules make 100 of each event."""

    rule_id: int
    version_id: int
    order_id: int
    fact: str
    event: str
    at: datetime
    state: str
    seen: Mapping[str, Any]
    failed: str
    depth: int
    chain: list[int]
    created_at: datetime
    due_at: datetime
    done_at: datetime | None
    attempts: int = 0
    leased_until: datetime | None = None
    last_error: str = ""


def has_running() -> bool:
    """Whether any rule acts: without one the flow delivers nothing to rules."""
    return AutomationRule.objects.running().exists()


def run_rules(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Run the rules over events of the flow; may be called twice with one event, on two machines."""
    facts = facts_of(events)
    if facts:
        rules = running_rules({fact.trigger for fact in facts})
        if rules:
            run_facts(facts, rules)
    return [None] * len(events)


def running_rules(triggers: set[str]) -> list[RunningRule]:
    """The rules that look at these triggers; those whose owner may no longer do what they do are paused."""
    rows = list(
        AutomationRule.objects.running().filter(current__trigger__in=triggers).select_related("current")
    )
    rights = rights_of({row.owner_id for row in rows}) if rows else {}
    found = []
    for row in rows:
        version = row.current
        if version is None:
            continue
        if why := pause.lacking(rights[row.owner_id], version.actions):
            pause.pause(row, *why)
        else:
            group = group_of(version)
            found.append(RunningRule(row, version, group, tuple(group.fields())))
    return found


def run_facts(facts: Sequence[RuleFact], rules: Sequence[RunningRule]) -> int:
    """Judge the facts by the rules and keep what is to be done; returns how many runs are new. In one transaction."""
    runs = list(_runs(facts, rules))
    _cap(runs, {one.rule.pk: one.rule for one in rules})
    runs.sort(key=lambda run: (run.rule_id, run.fact))
    with transaction.atomic():
        inserted = bulk.insert_rows(
            RuleRun, runs, ignore_conflicts=True, returning=["id", "rule", "fact", "state"]
        )
        actions = {one.rule.pk: one.version.actions for one in rules}
        todo = [
            ActionRun(run_id=pk, position=position, action=action["action"])
            for pk, rule_id, _fact, state in sorted(inserted)
            if state == RunState.WAITING
            for position, action in enumerate(actions[rule_id])
        ]
        bulk.insert_rows(ActionRun, todo)
        if todo:
            transaction.on_commit(lambda: wakeups.wake(TASK))
    return len(inserted)


def _runs(facts: Sequence[RuleFact], rules: Sequence[RunningRule]) -> Iterator[NewRun]:
    by_trigger: defaultdict[str, list[RunningRule]] = defaultdict(list)
    for one in rules:
        by_trigger[one.version.trigger].append(one)
    keys = {key for one in rules for key in one.keys}
    once = list({fact.key: fact for fact in facts}.values())
    for fact, (order, values) in zip(once, read(once, keys), strict=True):
        for one in by_trigger[fact.trigger] if order else ():
            if order and one.looks_at(fact, order):
                yield _run(one, fact, values)


def _run(one: RunningRule, fact: RuleFact, values: Mapping[str, Any]) -> NewRun:
    now, found = timezone.now(), judge(one.group, values, one.keys)
    if not found.is_match:
        state = RunState.UNMATCHED
    elif one.rule.pk in fact.cause.rules or fact.cause.depth >= MOST_DEPTH:
        state = RunState.LOOP
    else:
        state = RunState.WAITING
    return NewRun(
        rule_id=one.rule.pk,
        version_id=one.version.pk,
        order_id=fact.order_id,
        fact=fact.key,
        event=fact.trigger,
        at=fact.at,
        state=state.value,
        seen=found.seen,
        failed=found.failed,
        depth=fact.cause.depth,
        chain=list(fact.cause.rules),
        created_at=now,
        due_at=now,
        done_at=None if state == RunState.WAITING else now,
    )


def _cap(runs: Sequence[NewRun], rules: Mapping[int, AutomationRule]) -> None:
    """Pause the rules that would act more often within an hour than they may; what is over it is not done."""
    waiting: defaultdict[int, list[NewRun]] = defaultdict(list)
    for run in runs:
        if run.state == RunState.WAITING:
            waiting[run.rule_id].append(run)
    if not waiting:
        return
    recent = RuleRun.objects.filter(
        rule_id__in=waiting, created_at__gt=timezone.now() - timedelta(hours=1)
    ).exclude(state__in=_STILL)
    done = dict(recent.order_by().values_list("rule_id").annotate(number=Count("pk")))
    for rule_id, own in waiting.items():
        room = max(rules[rule_id].most_an_hour - done.get(rule_id, 0), 0)
        if len(own) > room:
            pause.pause(rules[rule_id], RulePause.CAP, str(rules[rule_id].most_an_hour))
        for run in own[room:]:
            run.state, run.done_at = RunState.PAUSED.value, run.created_at
