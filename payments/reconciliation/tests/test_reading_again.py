"""Equal lines are counted, and the same bytes may be read again by another mapping: nothing is settled twice."""

from __future__ import annotations

import io
from typing import Any

import pytest

from orders.approvals.workflow import approve
from orders.models import OrderEvent
from ordersite.lib.errors import DomainError
from ordersite.queue.claims import Claim
from payments.manual.tests.proposals import person
from payments.models import Payment, PaymentAccount, PaymentException, Statement, StatementMapping
from payments.reconciliation import importing, settle
from payments.reconciliation.approval import STATEMENT
from payments.reconciliation.tests.shop import account_at, attempt, results, take

pytestmark = pytest.mark.django_db
RIGHT = {
    "amount_column": "交易金额",
    "time_column": "交易日期",
    "reference_column": "订单号",
    "provider_reference_column": "流水号",
    "date_format": "%Y-%m-%d",
}
WRONG = {**RIGHT, "amount_column": "余额"}


def mapping(name: str = "bank", **said: Any) -> StatementMapping:
    return StatementMapping.objects.create(name=name, **{**RIGHT, **said})


def table(header: str, *lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (header, *lines)).encode()


def equal_lines(*names: str) -> bytes:
    """Payments of one day and sum without any number, in an export that counts its rows."""
    lines = (f"{row},2026-11-28,99.00,{name}," for row, name in enumerate(names, start=1))
    return table("序号,交易日期,交易金额,对方户名,附言", *lines)


def unnumbered() -> StatementMapping:
    return mapping(reference_column="附言", provider_reference_column="-")


def test_equal_lines_without_a_serial_are_payments_each() -> None:
    account, read_by = account_at("webhook"), unnumbered()
    first = take(account, equal_lines("周甲", "吴乙", "郑丙"), mapping=read_by)
    assert results(first) == {"missing_here": 3}
    assert settle.raise_cases(first) == 3


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (("周甲", "吴乙"), {"duplicate": 2}),
        (("郑丙", "周甲", "吴乙"), {"duplicate": 3}),
        (("周甲", "吴乙", "郑丙", "王丁"), {"duplicate": 3, "missing_here": 1}),
    ],
)
def test_overlap_is_recognised_by_counting(second: tuple[str, ...], expected: dict[str, int]) -> None:
    account, read_by = account_at("webhook"), unnumbered()
    take(account, equal_lines("周甲", "吴乙", "郑丙"), mapping=read_by)
    assert results(take(account, equal_lines(*second), mapping=read_by)) == expected


def test_the_same_bytes_and_mapping_are_one_statement() -> None:
    account, read_by = account_at("webhook"), unnumbered()
    content = equal_lines("周甲", "吴乙")
    assert take(account, content, mapping=read_by).pk == take(account, content, mapping=read_by).pk


def test_a_serial_twice_is_one_payment() -> None:
    line = "2026-11-28,99.00,R1,S1"
    content = table("交易日期,交易金额,订单号,流水号", line, line)
    assert results(take(account_at("webhook"), content, mapping=mapping())) == {
        "missing_here": 1,
        "duplicate": 1,
    }


@pytest.mark.parametrize("nothing", ["", "-", "0", "无", "N/A"])
def test_a_serial_that_is_none_tells_no_lines_apart(nothing: str) -> None:
    line = f"2026-11-28,99.00,,{nothing}"
    content = table("交易日期,交易金额,订单号,流水号", line, line)
    assert results(take(account_at("webhook"), content, mapping=mapping())) == {"missing_here": 2}


# --- Another mapping ---


def take_in(account: PaymentAccount, content: bytes, read_by: StatementMapping) -> Statement:
    """Store a file that nobody reads yet."""
    origin = importing.Origin(source=Statement.Source.UPLOAD, file_name="bill", mapping=read_by)
    return importing.take_in(account, io.BytesIO(content), origin).statement


def twice_read(account: PaymentAccount) -> tuple[Payment, bytes]:
    stuck = attempt(account)
    line = f"2026-11-28,9000.00,199.00,{stuck.reference},WM1"
    return stuck, table("交易日期,余额,交易金额,订单号,流水号", line)


def test_file_read_wrongly_counts_when_read_rightly() -> None:
    account = account_at("webhook")
    stuck, content = twice_read(account)
    wrong = take(account, content, mapping=mapping("wrong", **WRONG))
    assert results(wrong) == {"amount_differs": 1}

    right = take(account, content, mapping=mapping("right"))

    assert results(right) == {"missing_here": 1}
    assert settle.settle(right) == 1
    assert Payment.objects.get(pk=stuck.pk).status == "paid"


def test_superseded_reading_stays_and_settles_nothing() -> None:
    account = account_at("webhook")
    _stuck, content = twice_read(account)
    wrong = take(account, content, mapping=mapping("wrong", reference_column="流水号"))
    right = take(account, content, mapping=mapping("right"))

    old = Statement.objects.get(pk=wrong.pk)

    assert (old.superseded_by_id, old.missing_here, old.status) == (right.pk, 1, "matched")
    assert list(old.lines.values_list("result", "note")) == [("duplicate", "read_again")]
    assert settle.settle(old) == 0
    assert settle.raise_cases(old) == 0
    with pytest.raises(DomainError) as refused:
        approve(STATEMENT, old.pk, user=person("gu"), note="")
    assert refused.value.code == "not_matched"
    assert old not in STATEMENT.waiting()


def test_a_corrected_mapping_is_another_one() -> None:
    account = account_at("webhook")
    _stuck, content = twice_read(account)
    read_by = mapping(**WRONG)
    take(account, content, mapping=read_by)
    StatementMapping.objects.update(amount_column="交易金额", name="renamed")
    assert results(take(account, content, mapping=StatementMapping.objects.get())) == {"missing_here": 1}


def test_settled_lines_are_settled_in_any_reading() -> None:
    account = account_at("webhook")
    stuck, content = twice_read(account)
    first = take(account, content, mapping=mapping("first", provider_reference_column="余额"))
    assert settle.settle(first) == 1

    second = take(account, content, mapping=mapping("second"))

    assert results(second) == {"duplicate": 1}
    assert settle.settle(second) == 0
    assert settle.raise_cases(second) == 0
    assert OrderEvent.objects.filter(order=stuck.order_id, to_status="paid").count() == 1
    assert not PaymentException.objects.exists()


def test_reading_can_go_back_to_the_first_mapping() -> None:
    account = account_at("webhook")
    _stuck, content = twice_read(account)
    right, wrong = mapping("right"), mapping("wrong", **WRONG)
    first = take(account, content, mapping=right)
    second = take(account, content, mapping=wrong)
    third = take(account, content, mapping=right)
    assert len({first.pk, second.pk, third.pk}) == 3
    assert results(third) == {"missing_here": 1}
    assert settle.settle(third) == 1


def test_an_older_reading_never_overtakes_a_newer() -> None:
    account = account_at("webhook")
    stuck, content = twice_read(account)
    older = take_in(account, content, mapping("older", **WRONG))
    newer = take(account, content, mapping=mapping("newer"))
    Statement.objects.filter(pk=older.pk).update(attempts=1)

    importing.run(Claim(older.pk, 1))

    refused = Statement.objects.get(pk=older.pk).refusal
    assert refused == {"code": "read_again", "params": {"statement": str(newer.pk)}}
    assert settle.settle(newer) == 1
    assert Payment.objects.get(pk=stuck.pk).status == "paid"
