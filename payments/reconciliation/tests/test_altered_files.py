"""A bill that was cut short, doubled, shuffled or edited on its way settles nothing that the provider did not write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from orders.models import Order, OrderEvent
from payments.models import PaymentAccount, Statement, StatementLine
from payments.reconciliation.settle import settle
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, row_of, take

pytestmark = pytest.mark.django_db
Write = Callable[[list[Row]], bytes]
# UnionPay's file has no sums: a whole line less cannot be seen there, and is missed in the comparison instead.
WITH_SUMS: dict[str, Write] = {"alipay": bills.alipay_csv, "wechatpay": bills.wechat_csv}
ALL: dict[str, Write] = {**WITH_SUMS, "unionpay": bills.unionpay_zm}


def five_rows(account: PaymentAccount) -> list[Row]:
    return [row_of(attempt(account)) for _number in range(5)]


def facts_of(statement: Statement) -> set[tuple[str, str, Decimal]]:
    """What the statement says that the provider wrote."""
    lines = StatementLine.objects.filter(statement=statement, number__isnull=False)
    return set(lines.values_list("reference", "provider_reference", "amount"))


def paid_orders() -> int:
    return Order.objects.filter(status="paid").count()


def cuts(content: bytes) -> Iterator[bytes]:
    """The file without its end: at eleven places, and after each of its lines but the last."""
    places = {len(content) * part // 12 for part in range(1, 12)}
    places |= {at + 1 for at in range(len(content)) if content[at : at + 1] == b"\n"} - {len(content)}
    yield from (content[:place] for place in sorted(places))


@pytest.mark.parametrize("provider", sorted(WITH_SUMS))
def test_a_cut_bill_is_refused(provider: str) -> None:
    account = account_at(provider)
    whole = WITH_SUMS[provider](five_rows(account))
    # Behind Alipay's last sum stands the time of the export: it may be missing.
    parts = [part for part in cuts(whole) if "#退款合计".encode("gbk") not in part]
    assert len(parts) > 12
    for part in parts:
        statement = take(account, part)
        assert statement.refusal, part[-80:]
        settle(statement)
    assert not StatementLine.objects.exists()
    assert paid_orders() == 0
    settle(take(account, whole))
    assert paid_orders() == 5


def test_a_cut_line_is_no_fact() -> None:
    account = account_at("unionpay")
    rows = five_rows(account)
    known = {(row.reference, row.trade, Decimal(row.amount)) for row in rows}
    for part in cuts(bills.unionpay_zm(rows)):
        statement = take(account, part)
        assert statement.refusal or facts_of(statement) <= known


@pytest.mark.parametrize("provider", sorted(ALL))
def test_a_doubled_line_pays_once(provider: str) -> None:
    """Written by the provider's own sums, so that nothing but the line itself is wrong."""
    account = account_at(provider)
    rows = five_rows(account)
    statement = take(account, ALL[provider]([*rows, rows[2]]))
    settle(statement)
    settle(statement)
    assert paid_orders() == (0 if statement.refusal else 5)
    facts = StatementLine.objects.filter(number__isnull=False).exclude(result="duplicate")
    assert facts.count() in (0, 5)


@pytest.mark.parametrize("provider", sorted(ALL))
def test_a_shuffled_bill_settles_the_same_once(provider: str) -> None:
    account = account_at(provider)
    rows = five_rows(account)
    for mixed in (rows, [rows[3], rows[0], rows[4], rows[2], rows[1]]):
        settle(take(account, ALL[provider](mixed)))
    assert (paid_orders(), OrderEvent.objects.filter(to_status="paid").count()) == (5, 5)


def _edited(content: bytes) -> bytes:
    """Every amount of the first line raised; the sums at the end stay as they were."""
    line = next(line for line in content.splitlines() if b"199.00" in line)
    return content.replace(line, line.replace(b"199.00", b"999.00"), 1)


@pytest.mark.parametrize("provider", sorted(WITH_SUMS))
def test_an_edited_amount_is_refused(provider: str) -> None:
    account = account_at(provider)
    content = WITH_SUMS[provider](five_rows(account))
    assert _edited(content) != content
    statement = take(account, _edited(content))
    settle(statement)
    assert (bool(statement.refusal), paid_orders()) == (True, 0)


def test_a_doubled_file_is_refused_or_counts_once() -> None:
    for provider, write in ALL.items():
        account: Any = account_at(provider, f"twice-{provider}")
        content = write(five_rows(account))
        before = paid_orders()
        statement = take(account, content + content)
        settle(statement)
        assert paid_orders() - before == (0 if statement.refusal else 5), provider
