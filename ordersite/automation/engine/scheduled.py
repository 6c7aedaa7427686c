"""Runs the rules that the clock wakes: orders that have been in a state for so many hours, each once for a rule."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from orders.models import Order
from ordersite.automation.catalogue.triggers import SCHEDULES
from ordersite.automation.engine.run import RunningRule, run_facts, running_rules
from ordersite.automation.models import RuleRun, RuleVersion
from ordersite.automation.rules.pause import pause_without_right
from ordersite.automation.snapshots.facts import RuleFact

# Orders that have waited longer before a rule was switched on are history, and no rule's work.
OLDEST = timedelta(days=30)
BATCH = 200


def run_scheduled(now: datetime | None = None) -> int:
    """Run the scheduled rules over the orders that are due; returns how many runs are new. `now` is UTC.

    Also pauses the rules whose owner has lost a right.
    """
    pause_without_right()
    moment = now or timezone.now()
    return sum(_run(one, moment) for one in running_rules(set(SCHEDULES)))


def _run(one: RunningRule, now: datetime) -> int:
    facts = [
        fact_of(one.version, order_id, since, at=now)
        for order_id, since in due_orders(one.version, now)[:BATCH]
    ]
    if not facts:
        return 0
    with transaction.atomic():
        return run_facts(facts, [one])


def fact_of(version: RuleVersion, order_id: int, since: datetime, *, at: datetime) -> RuleFact:
    """The fact that an order has been in the schedule's state since then; the same state again is another fact."""
    key = f"{version.trigger}:{order_id}:{int(since.timestamp() * 1_000_000)}"
    return RuleFact(key, version.trigger, order_id, at)


def due_orders(version: RuleVersion, now: datetime) -> QuerySet[Order, Any]:
    """The orders that a scheduled version has to look at, the oldest first, as key and since when they wait."""
    schedule, oldest = SCHEDULES[version.trigger], now - OLDEST - timedelta(hours=version.hours or 0)
    own = RuleRun.objects.filter(
        rule_id=version.rule_id, order_id=OuterRef("pk"), event=version.trigger, at__gte=OuterRef("since")
    )
    rows = Order.objects.of_merchant(version.merchant_id).filter(status=schedule.status)
    rows = rows.annotate(since=F(schedule.since)).filter(
        since__lte=now - timedelta(hours=version.hours or 0), since__gt=oldest
    )
    return rows.filter(~Exists(own)).order_by("since", "pk").values_list("pk", "since")
