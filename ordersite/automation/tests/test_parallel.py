"""Deliveries and workers at the same time: one run for a fact, one doing of an action."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import transaction
from django.utils import timezone

from orders.models import OrderEvent
from orders.tests.builders import build_order_in
from ordersite.automation.engine import execute
from ordersite.automation.engine.run import run_rules
from ordersite.automation.models import ActionRun, RuleRun
from ordersite.automation.tests.builders import build_running
from ordersite.queue.relay import Delivered
from ordersite.tests.parallel import in_thread

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
AT_ONCE = 8


def at_once(work: Callable[[], object]) -> None:
    barrier, problems = threading.Barrier(AT_ONCE), list[BaseException]()

    def begin() -> None:
        barrier.wait(20)
        work()

    threads = [in_thread(begin, problems) for _number in range(AT_ONCE)]
    for thread in threads:
        thread.join(60)
    assert problems == []


def test_parallel_deliveries_of_one_event_act_once() -> None:
    rule = build_running(actions=({"action": "note", "params": {"text": "一次"}},))
    other = build_running(name="二", actions=({"action": "note", "params": {"text": "一次"}},))
    events = [Delivered(n, "order.paid", build_order_in("paid").pk, timezone.now(), {}) for n in range(20)]

    def deliver() -> None:
        with transaction.atomic():
            run_rules(events)

    at_once(deliver)
    at_once(execute.run_actions)

    assert RuleRun.objects.filter(rule__in=[rule, other], state="done").count() == 40
    assert ActionRun.objects.filter(state="done").count() == 40
    assert OrderEvent.objects.filter(trigger="rule_note").count() == 40
