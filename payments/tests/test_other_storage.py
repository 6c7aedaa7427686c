"""Statements and evidence in a storage that has no paths, like an object store that several machines share."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import Order
from ordersite.lib.tests.elsewhere import use_elsewhere
from payments.manual import settle
from payments.manual.tests.proposals import PDF, person, unpaid, wish_for
from payments.models import SettlementFile, Statement, StatementMapping
from payments.reconciliation import choosing, importing, sample
from payments.reconciliation.readers.guess import FileMapping
from payments.reconciliation.tests.shop import account_at, attempt, results
from payments.reconciliation.tests.workbooks import xls, xlsx

pytestmark = pytest.mark.django_db
HEADER = ["交易日期", "交易金额", "订单号"]


def as_text(*rows: list[str]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


@pytest.fixture
def kept(settings: Any, tmp_path: Path) -> dict[str, bytes]:
    settings.PRIVATE_DIR = str(tmp_path / "private")
    return use_elsewhere(settings)


@pytest.mark.parametrize(
    "write", [as_text, lambda *rows: xlsx(rows), lambda *rows: xls(rows)], ids=["csv", "xlsx", "xls"]
)
def test_statement_is_shown_and_read(
    write: Callable[..., bytes], kept: dict[str, bytes], tmp_path: Path
) -> None:
    account, user = account_at("webhook"), person("li")
    payment = attempt(account)
    content = write(HEADER, ["2026-11-28", str(payment.amount), payment.reference])
    origin = importing.Origin(source=Statement.Source.UPLOAD, file_name="bank", user=user)

    statement = choosing.take_in(account, io.BytesIO(content), origin).statement
    assert (statement.status, list(kept.values())) == ("choosing", [content])
    shown = sample.look(statement, FileMapping())
    assert shown.found.amount_column == "交易金额"

    mapping = StatementMapping(name="bank")
    choosing.read_by(statement, mapping, user=user, save=lambda one: one.save())
    importing.import_statements()
    statement.refresh_from_db()
    assert (statement.status, sum(results(statement).values())) == ("matched", 1)
    assert list((tmp_path / "private").iterdir()) == []


def test_altered_statement_is_not_read(kept: dict[str, bytes]) -> None:
    account = account_at("webhook")
    content = as_text(HEADER, ["2026-11-28", "1.00", attempt(account).reference])
    origin = importing.Origin(source=Statement.Source.UPLOAD, file_name="bank", mapping=None)
    statement = importing.take_in(account, io.BytesIO(content), origin).statement
    kept[statement.stored_name] += b"2026-11-28,9.00,x\n"
    importing.import_statements()
    statement.refresh_from_db()
    assert statement.refusal["code"] == "lost"


def test_evidence_is_handed_in_and_downloaded(kept: dict[str, bytes]) -> None:
    order, account = unpaid()
    settle.propose(wish_for(order, account), user=person("li"))
    assert Order.objects.get(pk=order.pk).status == "pending"

    file = SettlementFile.objects.get()
    assert (file.size, file.sha256) == (len(PDF), hashlib.sha256(PDF).hexdigest())
    client = Client()
    client.force_login(person("zhao"))
    answer = client.get(reverse("admin:payments_settlementrequest_file", args=[file.request_id, file.pk]))
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]

    kept.clear()
    gone = client.get(reverse("admin:payments_settlementrequest_file", args=[file.request_id, file.pk]))
    assert gone.status_code == 404
