"""What a restored database does not even know by number is found in the provider's bills. Against the sandbox."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from orders.models import Order
from ordersite.lib.money import format_amount
from payments.models import Payment, PaymentException, Statement, StatementLine
from payments.reconciliation import importing
from payments.tests.sandbox_accounts import sandbox_account, start_sandbox_attempt
from payments.tests.steps import fresh
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db(transaction=True)


def recover() -> dict[str, Any]:
    since = timezone.now() - timedelta(days=2)
    out = StringIO()
    call_command(
        "recover_payments", "--since", since.isoformat(), "--minutes", "0.2", "--json", stdout=out, stderr=StringIO()
    )  # fmt: skip
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_forgotten_payment_is_named(box: Running) -> None:
    account = sandbox_account(box, "wechatpay")
    known, forgotten = start_sandbox_attempt(account), start_sandbox_attempt(account)
    for payment in (known, forgotten):
        assert box.control("pay", code_url=payment.code_url).status == 200
    box.control("speed", bill_today=True)  # at any hour, also before ten in the morning
    with sqlite3.connect(box.folder / "sandbox.sqlite3") as books:
        books.execute("UPDATE trades SET paid_at = paid_at - 86400, created_at = created_at - 86400")
    Payment.objects.filter(pk=forgotten.pk).delete()  # the copy is older than this attempt

    found = recover()
    assert (found["asked"], found["paid"]) == (1, 1)
    assert sum(found["bills"].values()) == 2, "yesterday's, and that of the day before"
    importing.import_statements()
    assert fresh(known).order.status == "paid"
    lines = StatementLine.objects.order_by("reference").values_list("reference", "result", "payment")
    expected = [(known.reference, "matched", known.pk), (forgotten.reference, "missing_here", None)]
    assert list(lines) == sorted(expected)
    case = PaymentException.objects.get()
    assert (case.kind, case.detail["reference"]) == ("statement_difference", forgotten.reference)
    assert case.amount is not None
    assert format_amount(case.amount) == "199.00"
    assert Order.objects.get(pk=forgotten.order_id).status == "pending", "a person settles it"

    assert recover()["asked"] == 0
    importing.import_statements()
    assert (Statement.objects.count(), PaymentException.objects.count()) == (1, 1)
