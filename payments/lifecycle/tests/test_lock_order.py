"""Every statement that touches several orders or payments locks by primary key: the real functions never deadlock."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, close_old_connections, connection, transaction
from django.utils import timezone

from logistics.dispatch.confirm import Confirmation, confirm_shipments
from logistics.tests.builders import build_warehouse
from orders import closing as order_closing
from orders import lifecycle
from orders.changes import Hold, ReleaseHold
from orders.history.lines import SYSTEM, Evidence
from orders.models import Order
from orders.tests.builders import build_buyer, build_merchant, build_order_for
from ordersite.queue.relay import Delivered
from ordersite.relay import run_relay
from ordersite.tests.parallel import deadlocks_of_the_database, in_thread
from payments.lifecycle import closing
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentAccount, Statement, StatementLine
from payments.providers.types import UpdateKind
from payments.reconciliation import recovery
from payments.reconciliation.settle import settle
from payments.tests.builders import build_payment, build_webhook, trade_number

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def account() -> PaymentAccount:
    return build_webhook()


def attempts_in_another_order(account: PaymentAccount, count: int) -> list[Payment]:
    """Orders, and attempts that were made in the opposite order and lie in the table in yet another one."""
    buyer = build_buyer(build_merchant())
    orders = [
        build_order_for(buyer, total=Decimal("1.00"), quantity=1, due_in=timedelta(hours=1))
        for _n in range(count)
    ]
    payments = [build_payment(account, order=order) for order in reversed(orders)]
    for payment in random.Random(7).sample(payments, count):
        Payment.objects.filter(pk=payment.pk).update(last_answer="moved")  # a new version at the table's end
    return payments


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def mark_all(payments: list[Payment]) -> None:
    with transaction.atomic():
        closing.mark_for_closing({payment.order_id for payment in payments})


@pytest.mark.parametrize(
    "writes", [mark_all, lambda payments: recovery._mark(payments[0].created_at - timedelta(days=1))]
)
def test_no_row_is_kept_while_an_earlier_is_waited_for(
    account: PaymentAccount, writes: Callable[[list[Payment]], object]
) -> None:
    """Given the door holds the first payment, a writer of both waits for it with empty hands."""
    first, second = sorted(attempts_in_another_order(account, 2), key=lambda payment: payment.pk)
    Payment.objects.filter(pk=first.pk).update(last_answer="behind the second in the table")
    problems: list[BaseException] = []

    with transaction.atomic():
        list(Payment.objects.select_for_update(no_key=True).filter(pk=first.pk))
        writer = in_thread(lambda: writes([first, second]), problems)
        while not waits_for_a_lock():
            time.sleep(0.02)
        list(Payment.objects.select_for_update(no_key=True, nowait=True).filter(pk=second.pk))
    writer.join()

    assert problems == []


def hold_and_release(orders: list[int], rng: random.Random) -> None:
    ids = rng.sample(orders, 20)
    for change in (Hold, ReleaseHold):
        with transaction.atomic():
            locked = lifecycle.lock(ids)
            lifecycle.apply(locked, [change(order_id=pk, actor=SYSTEM, reason="x") for pk in ids])


def deliver(handler: Callable[[Any], object], orders: list[int], rng: random.Random) -> None:
    now = timezone.now()
    events = [
        Delivered(id=1, name="order.closed", subject_id=pk, at=now, payload={})
        for pk in rng.sample(orders, 20)
    ]
    with transaction.atomic():
        handler(events)


def pay_some(payments: list[Payment], rng: random.Random) -> None:
    now = timezone.now()
    apply_updates(
        [
            PaymentUpdate(
                account_id=payment.account_id, kind=rng.choice([UpdateKind.PAYMENT, UpdateKind.CLOSED]),
                reference=payment.reference, provider_reference=trade_number(), amount=payment.amount, occurred_at=now,
                evidence=Evidence("test", "1"), seen_at=now,
            )
            for payment in rng.sample(payments, 6)
        ]
    )  # fmt: skip


def statement_of(payments: list[Payment]) -> Statement:
    """A file that has all of them, in the order in which the bank wrote them."""
    statement = Statement.objects.create(
        account=payments[0].account, file_name="bank.csv", sha256="0" * 64, size=1, source=Statement.Source.UPLOAD
    )  # fmt: skip
    StatementLine.objects.bulk_create(
        StatementLine(
            statement=statement, account=payment.account, number=number, kind=StatementLine.LineKind.PAYMENT,
            reference=payment.reference, provider_reference=trade_number(), amount=payment.amount,
            occurred_at=timezone.now(), identity=uuid.uuid4(), result=StatementLine.Result.MISSING_HERE,
            payment=payment,
        )
        for number, payment in enumerate(random.Random(3).sample(payments, len(payments)), 1)
    )  # fmt: skip
    return statement


def settle_again(statement: Statement) -> None:
    statement.lines.update(outcome="", settled_at=None)
    settle(statement)


def ship_some(orders: list[int], rng: random.Random) -> None:
    """What a warehouse confirms in one call, in no order; much of it is refused, under the same locks."""
    rows = list(Order.objects.filter(pk__in=rng.sample(orders, 20)).select_related("merchant"))
    rng.shuffle(rows)
    parcels = [
        Confirmation(
            order=order.number, warehouse="main", carrier="yto", tracking_number=f"YT{order.pk:010d}{rng.random():.6f}"
        )
        for order in rows
    ]  # fmt: skip
    confirm_shipments(rows[0].merchant, parcels, actor=SYSTEM)


def start_over(payments: list[Payment], rng: random.Random) -> None:
    """What a real day makes anew: attempts that nobody has marked yet. A row at a time, so it deadlocks with nothing."""
    for payment in rng.sample(payments, 20):
        Payment.objects.filter(pk=payment.pk).update(close_wanted_at=None)
    time.sleep(0.01)


@contextmanager
def stopped_after(seconds: float) -> Iterator[Callable[[], bool]]:
    end = time.monotonic() + seconds
    yield lambda: time.monotonic() < end


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(200)])])
def test_real_functions_do_not_deadlock(account: PaymentAccount, seconds: float) -> None:
    payments = attempts_in_another_order(account, 120)
    orders = [payment.order_id for payment in payments]
    build_warehouse(account.merchant)
    statement = statement_of(payments)
    since = timezone.now() - timedelta(days=1)
    rounds: list[Callable[[random.Random], object]] = [
        lambda rng: deliver(closing.handle_order_closed, orders, rng),
        lambda rng: deliver(closing.handle_order_paid, orders, rng),
        lambda rng: deliver(closing.handle_close_requested, orders, rng),
        lambda rng: recovery._mark(since),
        lambda rng: pay_some(payments, rng),
        lambda rng: hold_and_release(orders, rng),
        lambda rng: settle_again(statement),
        lambda rng: ship_some(orders, rng),
        lambda rng: (order_closing.close_overdue(), closing.finish_closing(), run_relay()),
        lambda rng: start_over(payments, rng),
    ]
    before = deadlocks_of_the_database()
    deadlocks: list[BaseException] = []
    done = [0] * len(rounds)

    def again(number: int) -> None:
        rng = random.Random(number)
        with stopped_after(seconds) as goes_on:
            while goes_on():
                try:
                    rounds[number](rng)
                except OperationalError as error:
                    if "deadlock" in str(error):
                        raise
                    close_old_connections()
                done[number] += 1

    threads = [in_thread(partial(again, number), deadlocks) for number in range(len(rounds))]
    for thread in threads:
        thread.join()

    assert [str(error) for error in deadlocks] == []
    assert deadlocks_of_the_database() == before
    assert min(done) > 0, done


_SEVERAL = re.compile(r'^UPDATE "(orders_order|payments_payment)" ')


def test_writes_of_several_rows_come_after_locks(account: PaymentAccount) -> None:
    """No statement of these functions writes several orders or payments that its transaction has not locked in order."""
    payments = attempts_in_another_order(account, 8)
    orders = [payment.order_id for payment in payments]
    locked: set[str] = set()
    unlocked: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if "FOR NO KEY UPDATE" in sql and "ORDER BY" in sql:
            locked.update(re.findall(r'FROM "(\w+)"', sql)[:1])
        if (found := _SEVERAL.match(sql)) and context["cursor"].rowcount > 1 and found[1] not in locked:
            unlocked.append(sql[:200])
        return result

    rng = random.Random(1)
    Order.objects.filter(pk__in=orders[:4]).update(close_due_at=timezone.now() - timedelta(minutes=5))
    for run in (
        lambda: order_closing.close_overdue(),
        lambda: deliver(closing.handle_order_closed, orders * 3, rng),
        lambda: start_over(payments * 3, rng),
        lambda: recovery._mark(timezone.now() - timedelta(days=1)),
        lambda: pay_some(payments, rng),
    ):
        locked.clear()
        with connection.execute_wrapper(watch):
            run()
    assert unlocked == []
