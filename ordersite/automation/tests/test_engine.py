"""Rules at work: what they do, once, with whose rights, and when they stop."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.models import ShipmentException
from orders import machine
from orders.changes import HoldUnshipped
from orders.history.lines import Actor
from orders.models import MoneyLimit, Order, OrderEvent, StaffMail
from orders.tests.builders import apply_changes, build_merchant, build_order, build_order_in, move
from ordersite.automation.engine import execute
from ordersite.automation.engine.run import run_rules
from ordersite.automation.engine.scheduled import run_scheduled
from ordersite.automation.models import ActionRun, OrderTag, RulePause, RuleRun, RuleVersion
from ordersite.automation.tests.builders import (
    TAG_IT,
    all_of,
    build_person,
    build_running,
    over,
    results,
    states,
    work,
)
from ordersite.queue.models import Delivery
from ordersite.queue.relay import Delivered
from ordersite.relay import run_relay
from payments.models import RefundRequest
from payments.tests.builders import build_alipay, build_payment

pytestmark = pytest.mark.django_db


def pay(order: Order) -> None:
    move(order, "pay", machine.NOTIFICATION)


def delivered(order: Order, *, name: str = "order.paid", number: int = 1) -> Delivered:
    return Delivered(number, name, order.pk, timezone.now(), {})


def test_a_rule_tags_the_orders_that_match() -> None:
    rule = build_running(conditions=all_of(over(500)))
    rich, poor = build_order(total="500.01"), build_order(total="500.00")

    pay(rich)
    pay(poor)
    work()

    assert list(OrderTag.objects.values_list("order", "name", "created_by")) == [
        (rich.pk, "大单", f"rule {rule.pk}")
    ]
    assert sorted(RuleRun.objects.values_list("order", "state", "failed", "seen")) == [
        (rich.pk, "done", "", {"total_amount": 50001}),
        (poor.pk, "unmatched", "1", {"total_amount": 50000}),
    ]
    assert Delivery.objects.count() == 0


def test_each_action_in_its_order_and_a_failing_one_stops_none() -> None:
    rule = build_running(
        actions=(
            {"action": "mail_staff", "params": {"role": "operations", "text": "看一下"}},
            {"action": "request_refund", "params": {"reason": "缺货"}},
            {"action": "hold", "params": {"reason": "核对地址"}},
            {"action": "note", "params": {"text": "已核对"}},
            {"action": "open_case", "params": {"text": "打电话给买家"}},
            *TAG_IT,
        )
    )
    order = build_order()

    pay(order)
    work()

    assert results(rule) == [
        ("mail_staff", "skipped", "nobody"),
        ("request_refund", "skipped", "nothing_to_refund"),
        ("hold", "done", ""),
        ("note", "done", ""),
        ("open_case", "done", ""),
        ("tag", "done", ""),
    ]
    order.refresh_from_db()
    assert (order.held, order.hold_reason) == (True, "核对地址")
    lines = OrderEvent.objects.filter(order=order, actor_kind="rule").values_list("kind", "actor_id")
    assert list(lines) == [("hold", str(rule.pk)), ("note", str(rule.pk))]
    assert ShipmentException.objects.get(order=order).kind == ShipmentException.Kind.BY_RULE


def test_a_refused_action_keeps_its_words() -> None:
    """The account's provider gives no refunds: the request is refused, and what comes after is done."""
    rule = build_running(actions=({"action": "request_refund", "params": {"reason": "缺货"}}, *TAG_IT))
    account = build_alipay()
    payment = build_payment(account, status="paid", paid_at=timezone.now())
    type(account).objects.filter(pk=account.pk).update(provider="webhook", sealed_secrets="v1:lost:AAAA")

    pay(payment.order)
    work()

    (refund, state, code), tag = results(rule)
    assert (refund, state, bool(code)) == ("request_refund", "failed", True)
    assert tag == ("tag", "done", "")
    assert states(rule) == ["trouble"]
    assert RefundRequest.objects.count() == 0


def test_a_rule_only_proposes_a_refund() -> None:
    """Whatever its owner may refund alone by hand."""
    build_running(actions=({"action": "request_refund", "params": {"reason": "缺货"}},))
    group = build_person().groups.get()
    MoneyLimit.objects.create(role=group, action=MoneyLimit.LimitedAction.REFUND_ALONE, amount=Decimal(99999))
    payment = build_payment(build_alipay(), status="paid", paid_at=timezone.now())

    pay(payment.order)
    work()

    request = RefundRequest.objects.get()
    assert (request.status, request.amount, request.proposer) == ("proposed", payment.amount, build_person())


def test_mail_goes_to_the_people_of_the_role() -> None:
    rule = build_running(
        actions=({"action": "mail_staff", "params": {"role": "operations", "text": "超过一天"}},)
    )
    person = build_person("operations")
    User.objects.filter(pk=person.pk).update(email="ops@example.com")
    order = build_order()

    pay(order)
    work()

    mail = StaffMail.objects.get()
    assert results(rule) == [("mail_staff", "done", "")]
    assert (mail.address, mail.subject) == ("ops@example.com", f"大额订单：订单 {order.number}")
    assert "超过一天" in mail.body
    assert f"/admin/orders/order/{order.pk}/" in mail.body


def test_twice_the_same_event_is_one_run() -> None:
    rule = build_running()
    order = build_order_in("paid")
    events = [delivered(order), delivered(order, number=2)]

    run_rules(events)
    run_rules(events)
    execute.run_actions()

    assert states(rule) == ["done"]
    assert ActionRun.objects.count() == 1


def test_a_new_version_does_not_act_on_an_old_fact_again() -> None:
    rule = build_running()
    event = delivered(build_order_in("paid"))
    run_rules([event])
    rule.current.pk = None  # type: ignore[union-attr]
    rule.current.number = 2  # type: ignore[union-attr]
    rule.current.save()  # type: ignore[union-attr]
    rule.save(update_fields=["current"])

    run_rules([event])

    assert RuleRun.objects.count() == 1


def test_a_rule_of_one_shop_leaves_the_others() -> None:
    rule = build_running(merchant=build_merchant("north"))
    mine, other = build_order(merchant=build_merchant("north")), build_order(merchant=build_merchant("south"))

    pay(mine)
    pay(other)
    work()

    assert list(RuleRun.objects.filter(rule=rule).values_list("order", flat=True)) == [mine.pk]


def test_a_rule_that_is_off_does_nothing() -> None:
    rule = build_running()
    rule.is_on = False
    rule.save()

    pay(build_order())
    work()

    assert RuleRun.objects.count() == 0


def test_a_right_lost_pauses_the_rule_before_it_acts() -> None:
    rule = build_running(actions=({"action": "request_refund", "params": {"reason": "缺货"}},))
    payment = build_payment(build_alipay(), status="paid", paid_at=timezone.now())
    person = rule.owner
    person.groups.set(build_person("operations").groups.all())

    pay(payment.order)
    work()

    rule.refresh_from_db()
    assert (rule.paused_why, rule.paused_detail) == (RulePause.RIGHT, "payments.request_refund")
    assert RuleRun.objects.count() == RefundRequest.objects.count() == 0


def test_a_right_lost_between_fact_and_action_counts() -> None:
    rule = build_running(actions=({"action": "hold", "params": {"reason": "x"}}, *TAG_IT))
    order = build_order()
    pay(order)
    run_relay()
    rule.owner.groups.set(build_person("operations").groups.all())

    execute.run_actions()

    order.refresh_from_db()
    rule.refresh_from_db()
    assert results(rule) == [("hold", "failed", "not_permitted"), ("tag", "done", "")]
    assert (order.held, rule.paused_why) == (False, RulePause.RIGHT)


def test_two_rules_do_not_chase_each_other() -> None:
    """A hold wakes a rule that opens a case, which wakes the rule that holds: it stops there."""
    holds = build_running(
        "shipment.exception_raised", name="一", actions=({"action": "hold", "params": {"reason": "x"}},)
    )
    opens = build_running(
        "order.stopped", name="二", actions=({"action": "open_case", "params": {"text": "x"}},)
    )
    order = build_order_in("paid")

    apply_changes(HoldUnshipped(order.pk, Actor("staff", "someone"), "x"))
    work()

    assert states(opens) == ["done"]
    assert states(holds) == ["done"]
    assert results(holds) == [("hold", "skipped", "already")]

    other = build_order_in("paid")
    opens.current.actions = [{"action": "open_case", "params": {"text": "x"}}]  # type: ignore[union-attr]
    ShipmentException.objects.create(kind="by_rule", order=build_order_in("paid"))
    raised = ShipmentException.objects.create(kind="number_missing", order=other)
    run_rules([Delivered(7, "shipment.exception_raised", raised.pk, timezone.now(), {})])
    work()

    assert states(holds) == ["done", "done", "loop"]
    assert states(opens) == ["done", "done"]


def test_a_cap_pauses_the_rule() -> None:
    rule = build_running(most_an_hour=2)

    for _number in range(4):
        pay(build_order())
    work()

    rule.refresh_from_db()
    assert sorted(states(rule)) == ["done", "done", "paused", "paused"]
    assert (rule.is_running, rule.paused_why) == (False, RulePause.CAP)
    assert OrderTag.objects.count() == 2


def test_the_clock_finds_orders_that_wait() -> None:
    rule = build_running("clock.unshipped", hours=24)
    late, fresh, gone = build_order_in("paid"), build_order_in("paid"), build_order_in("shipped")
    yesterday = timezone.now() - timedelta(hours=25)
    Order.objects.filter(pk__in=[late.pk, gone.pk]).update(paid_at=yesterday)

    first, again = run_scheduled(), run_scheduled()
    work()

    assert (first, again) == (1, 0)
    assert list(RuleRun.objects.filter(rule=rule).values_list("order", flat=True)) == [late.pk]
    assert fresh.pk not in OrderTag.objects.values_list("order", flat=True)


def test_a_batch_takes_a_constant_number_of_statements() -> None:
    everything = {
        "match": "any",
        "items": [
            {"field": "total_amount", "operator": "greater", "value": 1},
            *(
                {"field": key, "operator": "is_filled", "value": None}
                for key in ("quantity", "status", "paid_amount", "refunded_amount", "carriers", "tags")
            ),
            {"field": "risk_reviews", "operator": "is_filled", "value": None},
        ],
    }
    rules = [build_running(name=f"{n}", conditions=everything) for n in range(3)]
    batches = [[delivered(build_order_in("paid")) for _n in range(size)] for size in (1, 12)]

    counts = []
    for batch in batches:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            run_rules(batch)
        counts.append(len(seen))

    assert counts[0] == counts[1]
    assert counts[0] <= 20
    assert RuleRun.objects.filter(rule__in=rules).count() == 39


def test_actions_of_a_batch_take_a_constant_number_of_statements() -> None:
    rule = build_running(actions=({"action": "note", "params": {"text": "已看"}}, *TAG_IT))

    counts = []
    for size in (2, 12):
        run_rules([delivered(build_order_in("paid")) for _n in range(size)])
        with CaptureQueriesContext(connection) as seen:
            execute.run_actions()
        counts.append(len(seen))

    assert counts[0] == counts[1]
    assert states(rule) == ["done"] * 14
    assert ActionRun.objects.filter(state="done").count() == 28


def test_one_that_fails_in_a_batch_holds_up_none() -> None:
    rule = build_running()
    run_rules([delivered(build_order_in("paid")) for _n in range(3)])
    broken = RuleRun.objects.order_by("pk")[1]
    broken.version = RuleVersion.objects.create(
        rule=rule,
        number=2,
        trigger="order.paid",
        actions=[{"action": "tag", "params": {}}],
        author=rule.owner,
    )
    broken.save(update_fields=["version"])

    execute.run_actions()

    assert states(rule) == ["done", "waiting", "done"]
    assert OrderTag.objects.count() == 2
    broken.refresh_from_db()
    assert (broken.attempts, "KeyError" in broken.last_error) == (1, True)
