"""A dry run says what the rule would have done; the engine over the same events does exactly that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders import machine
from orders.changes import Hold, HoldUnshipped, ReleaseHold
from orders.history.lines import Actor
from orders.models import Order
from orders.tests.builders import apply_changes, build_merchant, build_order, build_order_in, move
from ordersite.automation.engine.run import run_rules
from ordersite.automation.engine.scheduled import run_scheduled
from ordersite.automation.models import AutomationRule, DryRun, DryRunRow, RuleRun
from ordersite.automation.past import facts as past
from ordersite.automation.past.run import look_at, run_dry_runs, start_dry_run
from ordersite.automation.tests.builders import all_of, build_person, build_rule, over
from ordersite.lib.errors import DomainError
from ordersite.queue.models import OutboxEntry
from ordersite.queue.relay import Delivered
from payments.tests.builders import build_alipay, build_payment

pytestmark = pytest.mark.django_db
STAFF = Actor("staff", "someone")


def dry(rule: AutomationRule, days: int = 7) -> DryRun:
    started = start_dry_run(rule, days=days, by=build_person())
    assert run_dry_runs() == 1
    return DryRun.objects.get(pk=started.pk)


def would(dry_run: DryRun) -> list[tuple[str, dict[str, Any]]]:
    return sorted(DryRunRow.objects.filter(dry_run=dry_run).values_list("fact", "seen"))


def really(rule: AutomationRule) -> list[tuple[str, dict[str, Any]]]:
    """What the engine does with the events that were published, all of which still stand in the outbox."""
    AutomationRule.objects.filter(pk=rule.pk).update(is_on=True)
    events = [
        Delivered(entry.pk, entry.name, entry.subject_id, entry.created_at, entry.payload)
        for entry in OutboxEntry.objects.order_by("pk")
    ]
    run_rules(events)
    runs = RuleRun.objects.filter(rule=rule).exclude(state="unmatched")
    return sorted(runs.values_list("fact", "seen"))


def build_history() -> None:
    """Orders of two shops and provinces that were paid, held, released, shipped and closed."""
    account = build_alipay()
    for number, total in enumerate(("100.00", "500.00", "500.01", "900.00", "1200.00")):
        order = build_order(merchant=build_merchant("north" if number == 3 else "demo"), total=total)
        Order.objects.filter(pk=order.pk).update(province="广东省" if number % 2 else "浙江省")
        if number < 4:
            if order.merchant.slug == "demo":
                build_payment(account, order=order, status="paid", paid_at=timezone.now())
            move(order, "pay", machine.NOTIFICATION)
        if number in (1, 2):
            apply_changes(HoldUnshipped(order.pk, STAFF, "地址不全"))
            apply_changes(ReleaseHold(order.pk, STAFF, "已核对"))
            apply_changes(Hold(order.pk, STAFF, "再看"))
        if number == 3:
            move(order, "ship", machine.WAREHOUSE)
    closed = build_order(total="700.00")
    move(closed, "close", machine.TIMEOUT)


GUANGDONG = {"field": "province", "operator": "one_of", "value": ["广东"]}
PAID = {"field": "paid_amount", "operator": "at_least", "value": 10000}
HELD = {"field": "is_held", "operator": "is_true", "value": None}
REASON = {"field": "hold_reason", "operator": "contains", "value": "地址"}


@pytest.mark.parametrize(
    ("trigger", "conditions", "expected"),
    [
        ("order.paid", all_of(), 4),
        ("order.paid", all_of(over(500)), 2),
        ("order.paid", all_of(over(400), GUANGDONG), 2),
        ("order.paid", all_of(PAID), 3),
        ("order.paid", all_of({"field": "status", "operator": "one_of", "value": ["paid"]}), 4),
        ("order.stopped", all_of(HELD), 4),
        ("order.stopped", all_of(REASON), 2),
        ("order.released", all_of(HELD), 0),
        ("order.released", all_of(), 2),
        ("order.shipped", all_of(), 1),
        ("order.closed", all_of(over(500)), 1),
    ],
)
def test_a_dry_run_is_what_the_engine_does(trigger: str, conditions: dict[str, Any], expected: int) -> None:
    build_history()
    rule = build_rule(trigger, conditions=conditions)

    found = dry(rule)

    assert found.matched == expected
    assert would(found) == really(rule)


def test_a_dry_run_of_one_shop(django_assert_max_num_queries: Any) -> None:
    build_history()
    rule = build_rule(merchant=build_merchant("north"))

    found = dry(rule)

    assert (found.facts, found.matched) == (1, 1)
    assert would(found) == really(rule)


def test_a_dry_run_by_the_clock_finds_the_same_orders() -> None:
    late, fresh = build_order(), build_order_in("paid")
    move(late, "pay", machine.NOTIFICATION, at=timezone.now() - timedelta(hours=25))
    rule = build_rule("clock.unshipped", hours=24)

    found = dry(rule)
    AutomationRule.objects.filter(pk=rule.pk).update(is_on=True)
    run_scheduled()

    assert [fact for fact, _seen in would(found)] == list(
        RuleRun.objects.filter(rule=rule).values_list("fact", flat=True)
    )
    assert found.matched == 1
    assert fresh.pk not in RuleRun.objects.values_list("order", flat=True)


def test_a_dry_run_touches_nothing() -> None:
    build_history()
    before = list(Order.objects.order_by("pk").values())
    events = OutboxEntry.objects.count()

    dry(build_rule(conditions=all_of(over(1))))

    assert list(Order.objects.order_by("pk").values()) == before
    assert (OutboxEntry.objects.count(), RuleRun.objects.count()) == (events, 0)


def test_only_the_newest_facts_are_read() -> None:
    for _number in range(3):
        build_order_in("paid")
    rule = build_rule()
    assert rule.current is not None
    now = timezone.now()

    found = past.past_facts(rule.current, now - timedelta(days=1), now + timedelta(minutes=1), most=2)

    newest = list(Order.objects.order_by("pk").values_list("pk", flat=True))[1:]
    assert ([fact.order_id for fact in found.facts], found.is_cut) == (newest, True)


def test_what_lies_before_the_span_is_left_out() -> None:
    build_order_in("paid")
    rule = build_rule()
    assert rule.current is not None
    now = timezone.now() + timedelta(minutes=1)

    found = past.past_facts(rule.current, now, now + timedelta(days=1))

    assert found.facts == []


def test_only_who_manages_rules_may_look() -> None:
    found = dry(build_rule())

    with pytest.raises(DomainError) as refused:
        look_at(found, by=build_person("agent"))

    assert refused.value.code == "not_permitted"
    found.refresh_from_db()
    assert found.looked_at is None
