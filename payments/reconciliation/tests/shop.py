"""Accounts and attempts that bills speak of, and one way to import a file."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from orders.models import Order
from orders.tests.builders import build_merchant, build_order, build_order_in
from ordersite.lib.china_time import BEIJING
from ordersite.queue.claims import Claim
from payments.models import Payment, PaymentAccount, Refund, Statement, StatementLine, StatementMapping
from payments.reconciliation import importing
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.tests.builders import new_reference

_trades = itertools.count(1)
AT = datetime(2026, 11, 21, 10, 0, tzinfo=BEIJING).astimezone(UTC)


def trade_number() -> str:
    """A provider's number that fits the narrowest of the forms."""
    return f"{20261121 * 10**13 + next(_trades):021d}"


def account_at(provider: str, slug: str = "") -> PaymentAccount:
    """An account whose public part fits the bills; its keys are never needed to read one."""
    config = {
        "alipay": {"app_id": "2021000000000000", "seller_id": bills.SELLER},
        "wechatpay": {"mchid": bills.MCHID, "appid": bills.APPID},
        "unionpay": {"mer_id": bills.MER_ID},
        "webhook": {},
    }[provider]
    return PaymentAccount.objects.create(
        slug=slug or f"shop-{provider}",
        provider=provider,
        merchant=build_merchant(),
        config=config,
        sealed_secrets="v1:lost:AAAA",
    )


def attempt(account: PaymentAccount, *, order: Order | None = None, **columns: Any) -> Payment:
    """An attempt that the order knows of and that nobody has paid, as far as we know."""
    order = order or build_order(merchant=account.merchant)
    Order.objects.filter(pk=order.pk, payment_started_at__isnull=True).update(payment_started_at=AT)
    return Payment.objects.create(
        **{
            "order": order, "account": account, "reference": new_reference(), "amount": order.total_amount,
            "status": "open", "created_at": AT, "expires_at": AT + timedelta(minutes=30), **columns,
        }
    )  # fmt: skip


def paid(account: PaymentAccount, **columns: Any) -> Payment:
    """An attempt that is settled here."""
    order = build_order_in("paid", merchant=account.merchant)
    values = {"status": "paid", "paid_at": AT, "provider_reference": trade_number(), **columns}
    return attempt(account, order=order, **values)


def refund(payment: Payment, amount: str = "", *, number: str = "", **columns: Any) -> Refund:
    return Refund.objects.create(
        payment=payment,
        refund_reference=number or new_reference(),
        amount=Decimal(amount or payment.amount),
        refunded_at=AT,
        **columns,
    )


def row_of(payment: Payment, **changes: str) -> Row:
    """The line that the provider would write for this attempt."""
    row = Row(payment.reference, payment.provider_reference or trade_number(), f"{payment.amount:.2f}")
    return row.but(**changes)


def take(
    account: PaymentAccount, content: bytes, *, mapping: StatementMapping | None = None, **origin: Any
) -> Statement:
    """Take a file in, read it, and return the statement as it is then."""
    values = {"source": Statement.Source.UPLOAD, "file_name": "bill", "mapping": mapping, **origin}
    taken = importing.take_in(account, io.BytesIO(content), importing.Origin(**values))
    if taken.is_new and not taken.statement.done_at:
        pk = taken.statement.pk
        Statement.objects.filter(pk=pk).update(
            attempts=1, leased_until=timezone.now() + timedelta(seconds=15)
        )
        importing.run(Claim(pk, 1))
    return Statement.objects.get(pk=taken.statement.pk)


def results(statement: Statement) -> dict[str, int]:
    """The counts that are not zero."""
    found = {name: getattr(statement, name) for name in StatementLine.Result.values}
    return {name: number for name, number in found.items() if number}


def by_number(statement: Statement) -> list[tuple[int | None, str, str]]:
    return list(statement.lines.order_by("id").values_list("number", "kind", "result"))
