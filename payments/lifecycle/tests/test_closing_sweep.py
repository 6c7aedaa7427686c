"""The sweep closes orders that wait for it, even when the event that should have closed them is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from orders import lifecycle, machine
from orders.changes import Move, RequestClose
from orders.closing import closing_estimate
from orders.history.lines import SYSTEM, Actor
from orders.machine import Action
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes
from ordersite.queue.models import OutboxEntry
from payments.lifecycle.closing import WAITS_LONG, finish_closing
from payments.models import Payment
from payments.tests import builders as build

pytestmark = pytest.mark.django_db


def waiting_payment(*, waits: timedelta = WAITS_LONG * 2) -> Payment:
    """An attempt of an order that waits to be closed, whose event is gone."""
    payment = build.build_payment(build.build_alipay())
    with transaction.atomic():
        order = lifecycle.lock([payment.order_id])[payment.order_id]
        lifecycle.start_payment(order, at=order.created_at)
        lifecycle.apply_one(order, RequestClose(order.pk, machine.TIMEOUT, SYSTEM))
    OutboxEntry.objects.all().delete()
    Order.objects.filter(pk=order.pk).update(closing_at=timezone.now() - waits)
    return payment


def close_attempt(payment: Payment) -> None:
    payment.close(timezone.now())
    payment.save()


def test_lost_event_is_made_up_for() -> None:
    payment = waiting_payment()
    assert finish_closing() == 0
    assert Payment.objects.get(pk=payment.pk).close_wanted_at is not None
    assert Order.objects.get(pk=payment.order_id).status == "pending"


def test_disabled_rule_delays_the_close() -> None:
    payment = waiting_payment()
    close_attempt(payment)
    TransitionRule.objects.filter(action="close").update(is_enabled=False)
    assert finish_closing() == 0
    assert Order.objects.get(pk=payment.order_id).status == "pending"
    TransitionRule.objects.filter(action="close").update(is_enabled=True)
    assert finish_closing() == 1
    line = OrderEvent.objects.get(order_id=payment.order_id, to_status="closed")
    assert (line.trigger, line.actor_kind) == ("timeout", "system")
    assert finish_closing() == 0


def test_recent_request_is_left_to_its_event() -> None:
    payment = waiting_payment(waits=timedelta(0))
    close_attempt(payment)
    assert finish_closing() == 0
    assert Order.objects.get(pk=payment.order_id).status == "pending"


def test_payment_ends_the_waiting() -> None:
    payment = waiting_payment()
    assert closing_estimate().waiting == 1
    apply_changes(Move(payment.order_id, Action.PAY, machine.NOTIFICATION, Actor("provider")))
    order = Order.objects.get(pk=payment.order_id)
    assert (order.status, order.closing_at) == ("paid", None)
    assert (closing_estimate().waiting, finish_closing()) == (0, 0)
