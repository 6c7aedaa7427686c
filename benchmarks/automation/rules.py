"""B11: 100 automation rules over 1,000 events a minute: the time from the event to the end of its rules' actions.

One process delivers events and does actions at the rhythm of `work` where no broker wakes it, while another publishes.
Each event meets the conditions of five rules, and each of these puts a tag on the order and writes a note into its
history. Floor: the delay that remains when there is only one rule.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from benchmarks.harness.base import Context, Result, measured
from benchmarks.harness.databases import ROOT
from benchmarks.rows import fill
from orders.models import Order
from ordersite.automation.models import ActionRun, AutomationRule, RuleRun
from ordersite.automation.rules.save import RuleDraft, add_rule
from ordersite.queue import outbox

# The history of filled orders has made-up hashes, so the tasks that prove it do not run here.
_WORKER = """
import time, django
django.setup()
from ordersite.automation.engine.execute import run_actions
from ordersite.relay import run_relay
while True:
    run_relay()
    run_actions()
    time.sleep(0.5)
"""
RULES, A_MINUTE, SECONDS = 100, 1_000, 45
MATCHING = 5
GOAL_SECONDS = 5.0
_PATIENCE = 60.0


def run(context: Context) -> list[Result]:
    merchant = fill.build_shop(buyers=2_000)
    events = A_MINUTE * SECONDS // 60
    fill.build_orders(merchant, 1, 2 * events, status="'paid'")
    fill.build_lines_and_history()
    fill.settle_down()
    ids = list(Order.objects.order_by("pk").values_list("pk", flat=True))
    owner = User.objects.create_superuser("bench")
    _build_rules(owner, 1)
    with measured() as watch, working():
        floor = _delays(ids[:events])
        _build_rules(owner, RULES - 1)
        time.sleep(2)
        delays = _delays(ids[events:])
    p95 = statistics.quantiles(delays, n=20)[-1]
    actions = ActionRun.objects.filter(state="done").count()
    return [
        Result(
            "B11",
            f"{RULES} rules x {A_MINUTE:,} events/min: event to action, p95 ({actions:,} actions, "
            f"p50 {statistics.median(delays):.2f} s, {RuleRun.objects.count():,} runs)",
            round(p95, 2),
            "s",
            floor=round(statistics.quantiles(floor, n=20)[-1], 2),
            ratio=round(p95 / statistics.quantiles(floor, n=20)[-1], 2),
            goal=f"< {GOAL_SECONDS:.0f} s",
            met=p95 < GOAL_SECONDS,
            foreign_cpu=watch.foreign_cpu,
        )
    ]


@contextlib.contextmanager
def working() -> Iterator[None]:
    """A process that delivers events and does what rules want."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "ordersite.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", _WORKER], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _build_rules(owner: User, number: int) -> None:
    """Rules of which the first MATCHING hold for every order; the others look at more and hold for none."""
    for _rule in range(number):
        position = AutomationRule.objects.count()
        rule = add_rule(_draft(position), by=owner)
        AutomationRule.objects.filter(pk=rule.pk).update(is_on=True)


def _draft(position: int) -> RuleDraft:
    is_met = position < MATCHING
    items: list[dict[str, Any]] = [
        {"field": "total_amount", "operator": "greater", "value": 1_000 if is_met else 90_000 + position},
        {"field": "province", "operator": "one_of", "value": ["广东"]},
        {"field": "quantity", "operator": "at_least", "value": 1},
        {"field": "status", "operator": "one_of", "value": ["pending", "paid"]},
    ]
    return RuleDraft(
        name=f"rule {position}",
        trigger="order.paid",
        conditions={"match": "all", "items": items},
        actions=(
            {"action": "tag", "params": {"tag": f"tag {position}"}},
            {"action": "note", "params": {"text": "seen by a rule"}},
        ),
        most_an_hour=10_000,
    )


def _delays(ids: list[int]) -> list[float]:
    """Publish an event about each order at an even rate; returns the seconds from each to each of its actions' ends."""
    first, started = timezone.now(), time.perf_counter()
    for number, order_id in enumerate(ids):
        time.sleep(max(started + number * 60 / A_MINUTE - time.perf_counter(), 0))
        with transaction.atomic():
            outbox.publish([outbox.Event("order.paid", order_id, timezone.now())])
    return _wait(first, len(ids) * min(AutomationRule.objects.count(), MATCHING) * 2)


def _wait(first: Any, expected: int) -> list[float]:
    """Raises RuntimeError where actions are missing or failed."""
    until = time.perf_counter() + _PATIENCE
    rows = ActionRun.objects.filter(run__at__gte=first, state="done")
    while rows.count() < expected and time.perf_counter() < until:
        time.sleep(0.5)
    if rows.count() != expected:
        raise RuntimeError(f"{rows.count()} of {expected} actions were done")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM a.done_at - r.at)::float FROM automation_actionrun a "
            "JOIN automation_rulerun r ON r.id = a.run_id WHERE r.at >= %s",
            [first],
        )
        return [seconds for (seconds,) in cursor.fetchall()]
