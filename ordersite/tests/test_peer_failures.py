"""Failures that other shops' software is known for, each from the outside in: the cause, and where it ended.

Told here through the real entrances. Beside these:

- paid after close: its desk and its rule in `payments/refunds/tests/test_late_payments.py` and
  `payments/manual/tests/test_revive.py`; with the closer and the payment at the same moment in
  `payments/lifecycle/tests/test_closing_races.py`;
- the provider says paid when we close: `payments/polling/tests/test_closing.py::test_paid_meanwhile_is_a_payment`,
  `payments/providers/wechatpay/tests/test_sandbox.py::test_close_before_and_after_payment` and
  `payments/providers/unionpay/tests/test_flow.py::test_payment_in_the_last_moment_counts`;
- a handler that fails: in `payments/notifications/tests`, `test_poison.py` and `test_batches.py` (a row that kills its
  process); `ordersite/tests/test_kill.py`; for events `ordersite/queue/tests/test_relay.py`. A call that cannot be
  stored is refused with 503 and comes again: `test_receive.py` and `test_outage.py` in `payments/notifications/tests`;
- a wrong amount, application or seller:
  `payments/notifications/tests/test_receive.py::test_genuine_mismatch_is_success_and_a_case`,
  `payments/providers/wechatpay/tests/test_flow.py::test_genuine_mismatch_opens_a_case`,
  `payments/providers/unionpay/tests/test_flow.py::test_other_merchant_or_amount_opens_a_case`, and from an answer to
  our own query `payments/polling/tests/test_closing.py::test_wrong_amount_neither_pays_nor_closes`;
- bills of every form, cut, edited and of others: `payments/reconciliation/tests/test_statement_forms.py`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import machine
from orders.changes import Move, RequestClose
from orders.history.lines import SYSTEM
from orders.machine import Action
from orders.models import Merchant, Order, OrderEvent
from orders.tasks import close_overdue
from orders.tests.builders import apply_changes, build_order
from ordersite import relay
from ordersite.queue.models import Delivery, OutboxEntry
from payments.models import Payment, PaymentAccount, PaymentException, PaymentNotification, RefundRequest
from payments.polling import poll
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, refund, row_of
from payments.refunds.execute import order_refunds
from payments.tasks import drain_notifications
from payments.tests import builders as build
from payments.tests.sandbox_accounts import (
    pay_in_sandbox,
    sandbox_alipay,
    sandbox_webhook,
    start_sandbox_attempt,
)
from payments.tests.steps import fresh, poll_now
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db(transaction=True)


def state(payment: Payment) -> tuple[str, str]:
    now = fresh(payment)
    return str(now.status), str(now.order.status)


def moves(order_id: int) -> list[tuple[str, str]]:
    """The order's changes of state after its creation, with what triggered them."""
    lines = OrderEvent.objects.filter(order_id=order_id, kind="transition").order_by("seq")
    return list(lines.values_list("trigger", "to_status"))


def events() -> dict[str, int]:
    """What was published, by name: every message to a buyer begins with one of these."""
    return dict(OutboxEntry.objects.order_by().values_list("name").annotate(n=Count("pk")))


def close(order: Order) -> None:
    """What polling does once the provider has closed its side."""
    request = RequestClose(order.pk, machine.TIMEOUT, SYSTEM)
    outcomes = apply_changes(request, Move(order.pk, Action.CLOSE, machine.TIMEOUT, SYSTEM))
    assert outcomes[1].result == "done"


def test_paid_after_close_opens_one_case() -> None:
    payment = build.build_payment(build.build_alipay())
    close(payment.order)
    for _repeat in range(3):
        assert build.post_alipay(build.alipay_body(payment, trade_no="T0000001")).content == b"success"
        drain_notifications()
        relay.run_relay()
    case = PaymentException.objects.get()
    assert (case.kind, case.payment_id, case.amount) == ("order_closed", payment.pk, Decimal("199.00"))
    assert (state(payment), fresh(payment).is_surplus) == (("paid", "closed"), True), "kept, and not revived"
    assert moves(payment.order_id) == [("timeout", "closed")]
    outcomes = PaymentNotification.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == ["order_closed", "duplicate", "duplicate"]
    assert not RefundRequest.objects.exists(), "nor sent back by itself"


def two_paid(box: Running, policy: str) -> tuple[Payment, Payment]:
    """An order that the buyer has paid at two providers, as both have notified."""
    first = start_sandbox_attempt(sandbox_alipay(box))
    Merchant.objects.update(late_payments=policy)
    second = start_sandbox_attempt(sandbox_webhook(box), order=first.order)
    pay_in_sandbox(box, first)
    pay_in_sandbox(box, second)
    poll_now(first)
    poll_now(second)
    relay.run_relay()
    return fresh(first), fresh(second)


def nothing_waits() -> bool:
    """Nothing would be queried, published or tried again, however long the loops went on."""
    idle = (
        not PaymentNotification.objects.filter(done_at__isnull=True).exists()
        and not Payment.objects.filter(next_query_at__isnull=False).exists()
        and not RefundRequest.objects.filter(next_try_at__isnull=False).exists()
        and not Delivery.objects.filter(done_at__isnull=True).exists()
    )
    return idle and (relay.run_relay(), poll.poll_providers(), order_refunds()) == (0, 0, 0)


@contextmanager
def a_fault_in_the_database(message: str) -> Iterator[None]:
    """Every change of an order fails, as on a full disk; a real error of a real database."""
    lite = (
        f"CREATE TRIGGER peer_fault BEFORE UPDATE ON orders_order BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
    raising = f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    function = f"CREATE FUNCTION peer_fault() RETURNS trigger LANGUAGE plpgsql AS {raising}"
    trigger = (
        "CREATE TRIGGER peer_fault BEFORE UPDATE ON orders_order FOR EACH ROW EXECUTE FUNCTION peer_fault()"
    )
    is_postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for statement in (function, trigger) if is_postgres else (lite,):
            cursor.execute(statement)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION peer_fault CASCADE" if is_postgres else "DROP TRIGGER peer_fault")


def test_rule_refunds_second_providers_payment(box: Running) -> None:
    first, second = two_paid(box, "refund")
    PaymentAccount.objects.update(next_call_at=None)
    RefundRequest.objects.update(next_try_at=timezone.now())
    assert order_refunds() == 1
    assert (state(first), state(second)) == (("paid", "paid"), ("refunded", "paid"))
    assert box.trade(second.reference)["state"] == "refunded"
    assert RefundRequest.objects.get().status == "succeeded"
    assert not PaymentException.objects.open().exists()
    relay.run_relay()  # the refunded order's own event
    assert nothing_waits()


def test_second_payment_without_rule_opens_case(box: Running) -> None:
    first, second = two_paid(box, "ask")
    assert (state(first), state(second)) == (("paid", "paid"), ("paid", "paid"))
    case = PaymentException.objects.get()
    assert (case.kind, case.payment_id, case.resolved_at) == ("already_paid", second.pk, None)
    assert not RefundRequest.objects.exists()
    assert nothing_waits()


def test_retried_handler_counts_money_once() -> None:
    payment = build.build_payment(build.build_alipay())
    assert build.post_alipay(build.alipay_body(payment)).content == b"success"
    with a_fault_in_the_database("no space left"):
        drain_notifications()
        row = PaymentNotification.objects.get()
        assert (row.outcome, row.attempts, "no space left" in row.last_error) == ("", 1, True)
        assert (state(payment), moves(payment.order_id), events()) == (("open", "pending"), [], {})
    PaymentNotification.objects.update(due_at=timezone.now(), leased_until=None)
    drain_notifications()
    assert PaymentNotification.objects.get().outcome == "applied"
    assert (state(payment), moves(payment.order_id)) == (("paid", "paid"), [("notification", "paid")])
    assert events() == {"order.paid": 1}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"total_amount": "0.01"}, "amount_mismatch"),
        ({"app_id": "2021000000000099"}, "wrong_account"),
    ],
)
def test_wrong_amount_or_app_is_not_applied(changes: dict[str, str], kind: str) -> None:
    payment = build.build_payment(build.build_alipay())
    before = fresh(payment).order.history_hash
    assert build.post_alipay(build.alipay_body(payment, **changes)).content == b"success"
    drain_notifications()
    assert PaymentNotification.objects.get().outcome == kind
    assert PaymentException.objects.open().get().kind == kind
    assert events() == {"payment.exception_raised": 1}
    assert (state(payment), fresh(payment).order.history_hash) == (("open", "pending"), before)


ORDERS, TRIED = 10_000, 20


def expire_within_a_minute() -> None:
    """Ten thousand orders; some were begun at a provider that cannot be queried, whose own expiry is over too."""
    minute = timezone.now() - timedelta(minutes=4)
    template = build_order()
    columns = [str(field.column) for field in Order._meta.concrete_fields if not field.primary_key]
    changed = {"number", "tracking_token", "minute", "twin_number", "history_seq", "history_hash"}
    names = [*(name for name in columns if name not in changed), *sorted(changed)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO orders_order ({', '.join(names)}) SELECT {', '.join(names[:-6])}, '', 0, i, 'peer-' || i,"
            " 'peer-' || i, i FROM orders_order, generate_series(1, %s) AS i WHERE id = %s",
            [ORDERS - 1 - TRIED, template.pk],
        )
        cursor.execute(
            "UPDATE orders_order SET close_due_at = %s + (id %% 60) * interval '1 second'", [minute]
        )
    account = build.build_webhook()
    for _number in range(TRIED):
        order = build_order(due_in=timedelta(minutes=-4))
        build.build_payment(account, order=order, expires_at=minute)


@pytest.mark.postgres
def test_10000_overdue_orders_are_all_closed() -> None:
    expire_within_a_minute()
    with CaptureQueriesContext(connection) as queries:
        close_overdue()
    assert Order.objects.filter(status="pending").count() == TRIED
    assert max(len(query_["sql"]) for query_ in queries) < 2_000_000, "a thousand orders at a time"
    assert events() == {"order.closed": ORDERS - TRIED, "order.close_requested": TRIED}
    relay.run_relay()
    Payment.objects.update(next_query_at=timezone.now())
    while poll.poll_providers():
        PaymentAccount.objects.update(next_call_at=None)
    assert not Order.objects.exclude(status="closed").exists()
    closings = OrderEvent.objects.filter(kind="transition", to_status="closed", trigger="timeout")
    assert (closings.count(), closings.values("order").distinct().count()) == (ORDERS, ORDERS)
    relay.run_relay()
    assert events() == {}, "and every event of them is published"
    assert not PaymentException.objects.exists()


def imported(path: Path, *options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(
        "import_statement", str(path), "--account", "shop-alipay", "--json", *options,
        stdout=out, stderr=io.StringIO(),
    )  # fmt: skip
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_odd_bill_rows_each_get_their_state(tmp_path: Path) -> None:
    account = account_at("alipay")
    settled, stuck, untouched = paid(account), attempt(account), attempt(account)
    back = refund(settled, "9.90")
    rows = [
        row_of(settled, name="龍井茶，特級"),
        row_of(settled, name="龍井茶，特級"),
        row_of(untouched, amount="0.00", name="赠品"),
        row_of(settled, kind="refund", amount="9.90", request=back.refund_reference),
        row_of(settled, kind="refund", amount="1.00", request="ASKEDELSEWHERE01"),
        row_of(stuck),
        Row("ZERO000000000001", "T0", "0.00"),
    ]
    path = tmp_path / "bill.zip"
    path.write_bytes(bills.alipay_zip(rows))
    lines, before = OrderEvent.objects.count(), events()
    counts = {"matched": 2, "missing_here": 3, "missing_there": 0, "amount_differs": 1, "duplicate": 1}
    assert imported(path) == {"lines": 7, "results": counts, "settled": 0}
    assert (events(), OrderEvent.objects.count()) == (before, lines)
    assert imported(path, "--settle")["settled"] == 2
    assert (state(stuck), state(untouched)) == (("paid", "paid"), ("open", "pending"))
    published = {name: count - before.get(name, 0) for name, count in events().items()}
    assert {name for name, count in published.items() if count} <= {
        "order.paid", "order.partly_refunded", "payment.exception_raised",
    }  # fmt: skip
    assert published["order.paid"] == 1


def test_damaged_bill_changes_nothing(tmp_path: Path) -> None:
    account = account_at("alipay")
    stuck, other = attempt(account), attempt(account)
    rows = [row_of(stuck), row_of(paid(account)), row_of(other, amount="1.00")]
    good, path = bills.alipay_csv(rows), tmp_path / "bill.csv"

    def offered(content: bytes) -> Any:
        path.write_bytes(content)
        return imported(path, "--settle")

    for spoilt in (good[: len(good) // 2], good[:-200], good.replace(b"199.00,199.00", b"299.00,299.00", 1)):
        with pytest.raises(CommandError):
            offered(spoilt)
        assert (state(stuck), state(other)) == (("open", "pending"), ("open", "pending"))
    assert offered(good)["settled"] == 1
    after = (OrderEvent.objects.count(), events())
    for edited in (rows[::-1], [rows[0].but(amount="0.01"), *rows[1:]], [*rows, rows[0]]):
        assert offered(bills.alipay_csv(edited))["settled"] == 0
    assert (OrderEvent.objects.count(), events()) == after
    assert (state(stuck), state(other)) == (("paid", "paid"), ("open", "pending"))
