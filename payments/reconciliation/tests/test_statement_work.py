"""Leases: a killed reader is replaced, an overtaken one writes nothing, two overlapping files count a fact once."""

from __future__ import annotations

import io
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from ordersite.lib.files import private
from ordersite.queue.claims import Claim
from payments.models import PaymentAccount, Statement, StatementLine
from payments.reconciliation import importing
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.shop import account_at, paid, results, row_of


def take_in(account: PaymentAccount, content: bytes) -> Statement:
    origin = importing.Origin(source=Statement.Source.UPLOAD, file_name="bill")
    return importing.take_in(account, io.BytesIO(content), origin).statement


def fresh(statement: Statement) -> Statement:
    return Statement.objects.get(pk=statement.pk)


@pytest.mark.django_db
def test_expired_lease_is_taken_over() -> None:
    account = account_at("alipay")
    statement = take_in(account, bills.alipay_csv([row_of(paid(account))]))
    dead = Statement.objects.filter(pk=statement.pk)
    dead.update(
        status="reading", attempts=1, lines_read=77, leased_until=timezone.now() + timedelta(seconds=5)
    )
    importing.import_statements()
    assert fresh(statement).status == "reading"
    dead.update(leased_until=timezone.now() - timedelta(seconds=1))
    importing.import_statements()
    assert (fresh(statement).status, fresh(statement).attempts, results(fresh(statement))) == (
        "matched",
        2,
        {"matched": 1},
    )


@pytest.mark.django_db
def test_attempt_that_lost_its_lease_stops() -> None:
    account = account_at("alipay")
    statement = take_in(account, bills.alipay_csv([row_of(paid(account))]))
    Statement.objects.filter(pk=statement.pk).update(
        attempts=2, leased_until=timezone.now() + timedelta(seconds=15)
    )
    importing.run(Claim(statement.pk, 1))
    assert (fresh(statement).status, StatementLine.objects.count()) == ("uploaded", 0)
    importing.run(Claim(statement.pk, 2))
    assert (fresh(statement).status, StatementLine.objects.count()) == ("matched", 1)


@pytest.mark.django_db
def test_reader_overtaken_between_chunks_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_at("alipay")
    monkeypatch.setattr(importing, "CHUNK", 1)
    statement = take_in(account, bills.alipay_csv([row_of(paid(account)), row_of(paid(account))]))
    Statement.objects.filter(pk=statement.pk).update(attempts=1)

    def overtake(_statement: Statement) -> None:
        Statement.objects.filter(pk=statement.pk).update(attempts=2)

    importing.run(Claim(statement.pk, 1), report=overtake)
    assert (fresh(statement).status, fresh(statement).done_at, StatementLine.objects.count()) == (
        "reading",
        None,
        0,
    )


@pytest.mark.django_db
def test_progress_is_reported_after_each_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_at("wechatpay")
    monkeypatch.setattr(importing, "CHUNK", 2)
    statement = take_in(account, bills.wechat_csv([row_of(paid(account)) for _ in range(5)]))
    Statement.objects.filter(pk=statement.pk).update(attempts=1)
    seen = []
    importing.run(Claim(statement.pk, 1), report=lambda now: seen.append(now.lines_read))
    assert seen == [2, 4, 5, 5]


@pytest.mark.django_db
def test_lost_or_altered_file_is_refused(private_folder: Path) -> None:
    account = account_at("alipay")
    gone, changed = (take_in(account, bills.alipay_csv([row_of(paid(account))])) for _ in range(2))
    private.remove(gone.stored_name)
    (private_folder / changed.stored_name).write_bytes(bills.alipay_csv([]))
    importing.import_statements()
    assert [fresh(one).refusal["code"] for one in (gone, changed)] == ["lost", "lost"]
    assert list(private_folder.iterdir()) == [private_folder / changed.stored_name]


@pytest.mark.django_db
def test_file_is_refused_after_its_last_attempt() -> None:
    account = account_at("alipay")
    statement = take_in(account, bills.alipay_csv([row_of(paid(account))]))
    Statement.objects.filter(pk=statement.pk).update(attempts=4, last_error="died", status="reading")
    importing.import_statements()
    assert fresh(statement).refusal == {"code": "failed", "params": {"attempts": "4", "problem": "died"}}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_files_read_at_once_count_each_fact_once() -> None:
    account = account_at("wechatpay")
    rows = [row_of(paid(account)) for _ in range(50)]
    statements = [take_in(account, bills.wechat_csv(rows, form=form)) for form in ("ALL", "SUCCESS")]
    Statement.objects.update(attempts=1)
    barrier = threading.Barrier(2)

    def read(statement: Statement) -> None:
        barrier.wait()
        importing.run(Claim(statement.pk, 1))
        connection.close()

    threads = [threading.Thread(target=read, args=(statement,)) for statement in statements]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Statement.objects.filter(done_at=None).update(due_at=timezone.now())
    importing.import_statements()
    assert {fresh(one).status for one in statements} == {"matched"}
    assert StatementLine.objects.filter(result="matched").count() == 50
    assert StatementLine.objects.filter(result="duplicate").count() == 50
