"""History refuses changes, and verification finds those made behind its back."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orders import database_triggers, tasks
from orders.changes import Hold
from orders.history import seals, verify
from orders.history.lines import SYSTEM
from orders.history.verify import Broken, verify_history
from orders.models import HistorySeal, Order, OrderEvent, OrderEventText
from orders.tests.builders import apply_changes, build_order, build_order_in, move
from ordersite.database import triggers
from ordersite.health.models import Alert

# Sealing waits until every transaction that ran before has ended: it cannot stand in one itself.
pytestmark = pytest.mark.django_db(transaction=True)


def run_past_triggers(sql: str) -> None:
    """What somebody with the owner's rights could do."""
    triggers.remove(database_triggers.GUARDS)
    with connection.cursor() as cursor:
        cursor.execute(sql)
    triggers.install(database_triggers.GUARDS)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders_orderevent SET to_status = 'paid'",
        "DELETE FROM orders_orderevent",
        "DELETE FROM orders_historyseal",
        "UPDATE rails_auditentry SET new_value = 'x'",
    ],
)
def test_database_refuses_changes(sql: str) -> None:
    build_order_in("paid")

    seals.seal_history()

    before = list(OrderEvent.objects.values_list("hash", flat=True))
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert list(OrderEvent.objects.values_list("hash", flat=True)) == before


@pytest.mark.postgres
def test_database_refuses_truncate() -> None:
    build_order()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE orders_orderevent")
    assert OrderEvent.objects.count() == 1


def test_intact_history_verifies_and_is_sealed() -> None:
    for status in ("pending", "paid", "completed", "closed", "refunded"):
        build_order_in(status)
    assert verify_history().unsealed == OrderEvent.objects.count()
    count = seals.seal_history()
    report = verify_history()
    assert (report.lines, report.unsealed, report.seals) == (count, 0, 1)
    assert seals.seal_history() == 0


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE orders_orderevent SET trigger = 'manual' WHERE seq = 2", "was altered"),
        ("DELETE FROM orders_orderevent WHERE seq = 2", "chain is broken"),
        ("DELETE FROM orders_orderevent WHERE seq = 3", "last line is missing"),
        ("UPDATE orders_order SET status = 'completed'", "its state is completed"),
        ("UPDATE orders_historyseal SET lines = 2", "seal"),
    ],
)
def test_changed_rows_are_found(sql: str, message: str) -> None:
    build_order_in("shipped")
    seals.seal_history()
    verify_history()
    run_past_triggers(sql)
    with pytest.raises(Broken, match=message):
        verify_history()


def test_seal_reveals_a_cut_off_end() -> None:
    order = build_order_in("paid")
    first = OrderEvent.objects.get(order=order, seq=1)
    seals.seal_history()
    run_past_triggers("DELETE FROM orders_orderevent WHERE seq = 2")

    run_past_triggers(
        f"UPDATE orders_order SET history_seq = 1, status = 'pending', history_hash = '{first.hash}'"
    )

    with pytest.raises(Broken, match="not those that were sealed"):
        verify_history()


def test_missing_trigger_is_found() -> None:
    build_order()
    triggers.remove(database_triggers.GUARDS[:1])
    with pytest.raises(Broken, match="is missing"):
        verify_history()


def test_text_can_be_erased_but_not_changed() -> None:
    order = build_order_in("paid")

    move_with_reason(order)

    text = OrderEventText.objects.get()
    assert text.text == "买家要求"

    OrderEventText.objects.update(text="别的")

    with pytest.raises(Broken, match="words"):
        verify_history()

    OrderEventText.objects.all().delete()

    verify_history()


def move_with_reason(order: Order) -> None:
    apply_changes(Hold(order.pk, SYSTEM, "买家要求"))


def test_anchor_reveals_rewritten_seals(settings: Any) -> None:
    build_order_in("paid")
    seals.seal_history()

    path = seals.write_anchor()

    assert isinstance(path, Path)
    assert json.loads(path.read_text())["mac"] == HistorySeal.objects.get().mac
    verify_history()

    run_past_triggers("DELETE FROM orders_historyseal")
    build_order()

    seals.seal_history()

    with pytest.raises(Broken, match="anchor"):
        verify_history()


@pytest.mark.postgres
def test_sealer_waits_for_open_transactions() -> None:
    """Id 1 is taken but not committed while id 2 is: a sealer that seals up to 2 would leave 1 out for ever."""
    slow, quick = build_order(), build_order()
    seals.seal_history()
    holding, go_on = threading.Event(), threading.Event()

    def hold_open() -> None:
        with transaction.atomic():
            move(slow, "close", "timeout")
            holding.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=hold_open)
    thread.start()
    holding.wait(10)
    move(quick, "close", "timeout")

    assert seals.seal_history(patience=0.3) == 0

    go_on.set()

    thread.join()

    assert seals.seal_history() == 2
    assert verify_history().unsealed == 0


@pytest.mark.postgres
def test_application_role_may_only_add_and_read() -> None:
    """Where migrations run as the owner of the tables: the triggers are gone, the rights still refuse."""
    build_order_in("paid")

    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS shop_application")
        cursor.execute("CREATE ROLE shop_application")
        database_triggers.grant_to_application("shop_application")
        triggers.remove(database_triggers.GUARDS)
        try:
            cursor.execute("SET ROLE shop_application")
            cursor.execute("UPDATE orders_order SET note = 'x'")
            cursor.execute("SELECT count(*) FROM orders_orderevent")
            for sql in ("UPDATE orders_orderevent SET seq = 9", "DELETE FROM rails_auditentry"):
                with pytest.raises(DatabaseError, match="permission denied"):
                    cursor.execute(sql)
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute("DROP OWNED BY shop_application")
            cursor.execute("DROP ROLE shop_application")
            triggers.install(database_triggers.GUARDS)
    verify_history()


@pytest.mark.postgres
def test_temporary_table_hides_no_change() -> None:
    """PostgreSQL searches a session's temporary tables first, also for a function that runs with its owner's rights."""
    order = build_order_in("paid")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE rails_auditentry (LIKE public.rails_auditentry INCLUDING ALL)")
        cursor.execute("GRANT ALL ON rails_auditentry TO PUBLIC")

        cursor.execute("UPDATE public.orders_order SET refunded_amount = 100 WHERE id = %s", [order.pk])

        cursor.execute("SELECT count(*) FROM pg_temp.rails_auditentry")
        (hidden,) = cursor.fetchone()
        cursor.execute("DROP TABLE pg_temp.rails_auditentry")
        cursor.execute(
            "SELECT count(*) FROM public.rails_auditentry"
            " WHERE row_id = %s AND column_name = 'refunded_amount' AND new_value = '100'",
            [order.pk],
        )
        (audited,) = cursor.fetchone()
    assert (hidden, audited) == (0, 1)


def test_broken_history_is_an_alert_until_it_is_whole() -> None:
    build_order_in("paid")
    hashes = dict(OrderEvent.objects.values_list("pk", "hash"))
    pk = max(hashes)
    nothing = "0" * 64
    run_past_triggers(f"UPDATE orders_orderevent SET hash = '{nothing}' WHERE id = {pk}")
    with pytest.raises(Broken):
        tasks.verify_history()
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject, alert.closed_at) == ("history_broken", "history", None)
    assert f"line {pk} " in alert.text

    run_past_triggers(f"UPDATE orders_orderevent SET hash = '{hashes[pk]}' WHERE id = {pk}")
    tasks.verify_history()
    assert Alert.objects.get().closed_at is not None


def test_verifying_reads_by_ranges_of_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        order = build_order_in("paid")
        apply_changes(Hold(order.pk, SYSTEM, f"reason {number}"))
    lines = OrderEvent.objects.count()
    monkeypatch.setattr(verify, "CHUNK", 4)
    reported: list[int] = []
    with CaptureQueriesContext(connection) as queries:
        assert verify.verify_history(report=reported.append).lines == lines
    last = OrderEvent.objects.latest("id").pk
    assert (len(reported), reported[-1]) == (-(-lines // 4), last)
    of_lines = [query["sql"] for query in queries if "orders_orderevent" in query["sql"]]
    assert [sql for sql in of_lines if "WINDOW" in sql or "GROUP BY" in sql] == []
    # Six texts are read in two chunks, not one by one.
    assert len([sql for sql in of_lines if '"text_digest" = ' in sql]) == 2
    assert verify.verify_history(after_line=reported[0]).lines == lines - 4
