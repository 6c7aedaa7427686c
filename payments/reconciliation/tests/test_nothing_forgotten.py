"""No difference is forgotten: neither the late, nor the 501st, nor the bill whose fetching fails in an unforeseen way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ordersite.lib.china_time import BEIJING
from payments.models import BillFetch, Payment, PaymentAccount, PaymentException, Statement, StatementLine
from payments.providers import registry
from payments.providers.types import BillResult, BillState
from payments.providers.webhook.adapter import Webhook
from payments.reconciliation import fetch as daily
from payments.reconciliation import settle
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, row_of, take
from payments.tasks import raise_statement_cases, settle_statements
from payments.tests.builders import build_webhook

pytestmark = pytest.mark.django_db
EMPTY = BillResult(state=BillState.EMPTY)


class Counter(Webhook):
    """A provider whose bills are what the test says for each day; an exception is raised."""

    def __init__(self) -> None:
        self.answers: dict[date, BillResult | Exception] = {}
        self.days_fetched: list[date] = []

    def can_bill(self, keys: Any) -> bool:
        return True

    def fetch_bill(self, day: date, keys: Any, gateway: Any, target: Path) -> BillResult:
        self.days_fetched.append(day)
        answer = self.answers.get(day, EMPTY)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    provider = Counter()
    monkeypatch.setattr(registry, "PROVIDERS", {**registry.PROVIDERS, "webhook": provider})
    return provider


@pytest.fixture
def account() -> PaymentAccount:
    made = build_webhook()
    PaymentAccount.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=100))
    return PaymentAccount.objects.get(pk=made.pk)


def lacking_bill(account: PaymentAccount) -> tuple[Statement, Payment]:
    """A fetched bill of today, and the fresh payment that it lacks."""
    now = timezone.now()
    lacking, known = paid(account, paid_at=now), paid(account, paid_at=now)
    content = bills.wechat_csv([row_of(known, at=now.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"))])
    return take(account, content, source=Statement.Source.FETCH), lacking


def age(*statements: Statement, hours: int) -> None:
    lines = StatementLine.objects.filter(statement__in=statements, result="missing_there")
    lines.update(occurred_at=timezone.now() - timedelta(hours=hours))


def unknown_rows(number: int) -> list[Row]:
    return [Row(f"UNKNOWN{n:09d}", f"T{n}", "5.00") for n in range(number)]


def test_a_late_missing_payment_becomes_a_case() -> None:
    statement, lacking = lacking_bill(account_at("wechatpay"))
    age(statement, hours=20)
    raise_statement_cases()
    assert not PaymentException.objects.exists()

    age(statement, hours=37)
    raise_statement_cases()
    raise_statement_cases()
    case = PaymentException.objects.get()
    assert (case.kind, case.payment, case.amount) == ("statement_difference", lacking, lacking.amount)
    assert statement.lines.get(result="missing_there").case == case

    # A person has dealt with it: the clock does not bring it back.
    PaymentException.objects.update(resolved_at=timezone.now())
    raise_statement_cases()
    assert PaymentException.objects.count() == 1


def test_what_the_next_bill_shows_is_no_case() -> None:
    shop = account_at("wechatpay")
    first, late = lacking_bill(shop)
    take(shop, bills.wechat_csv([row_of(late)]), source=Statement.Source.FETCH)
    age(first, hours=48)
    assert settle.raise_cases(first) == 0
    raise_statement_cases()
    assert not PaymentException.objects.exists()
    assert first.lines.get(result="missing_there").note == "later"


def test_a_broken_statement_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    (first, _), (second, lacking) = (lacking_bill(account_at("wechatpay", slug)) for slug in ("one", "two"))
    age(first, second, hours=48)
    build = settle._case

    def fails_for_the_first(line: StatementLine, named: Any) -> Any:
        if line.statement_id == first.pk:
            raise ZeroDivisionError
        return build(line, named)

    monkeypatch.setattr(settle, "_case", fails_for_the_first)
    raise_statement_cases()
    assert PaymentException.objects.get().payment == lacking


def test_a_flood_is_one_counted_case(admin_client: Client) -> None:
    shop = account_at("wechatpay")
    rows = unknown_rows(620)
    content = bills.wechat_csv([*rows, row_of(paid(shop), amount="1.00")])
    statement = take(shop, content, source=Statement.Source.FETCH)

    cases = {case.detail["difference"]: case for case in PaymentException.objects.all()}
    flood = cases["missing_here"]
    assert (len(cases), flood.detail["lines"], str(flood.amount)) == (2, 620, "3100.00")
    assert statement.lines.filter(case=flood).count() == 620
    assert cases["amount_differs"].detail["amount"] == "1.00"
    assert (settle.raise_cases(statement), settle.unsettleable(statement).count()) == (0, 0)

    page = admin_client.get(f"/admin/payments/paymentexception/{flood.pk}/change/").content.decode()
    address = f"/admin/payments/statementline/?case={flood.pk}"
    assert address in page
    lines = admin_client.get(address)
    assert (lines.status_code, lines.context["cl"].result_count) == (200, 620)


def test_a_flood_that_grows_is_counted_again() -> None:
    shop = account_at("wechatpay")
    statement = take(shop, bills.wechat_csv(unknown_rows(150)), source=Statement.Source.FETCH)
    late = statement.lines.order_by("id")[:30]
    StatementLine.objects.filter(pk__in=[line.pk for line in late]).update(case=None)
    handed = settle.hand_over(statement)
    assert (handed.cases, handed.grouped) == (0, 30)
    assert PaymentException.objects.get().detail["lines"] == 150


def test_the_button_says_what_it_did(admin_client: Client) -> None:
    shop = account_at("wechatpay")
    statement = take(shop, bills.wechat_csv([*unknown_rows(101), row_of(paid(shop), amount="1.00")]))
    address = f"/admin/payments/statement/{statement.pk}/do/raise/"
    said = admin_client.post(address, {"confirmed": "1"}, follow=True).content.decode()
    assert PaymentException.objects.count() == 2
    assert "2 new cases stand in the queue" in said or "新增 2 条支付异常" in said
    assert "101 lines stand together" in said or "另有 101 条同类差异" in said
    assert address not in said


def test_the_unforeseen_is_kept_and_hides_no_bill(counter: Counter, account: PaymentAccount) -> None:
    daily.plan(timezone.now())
    first, second, third = BillFetch.objects.order_by("-day")
    counter.answers[first.day] = KeyError("hash\0value")
    BillFetch.objects.filter(pk=first.pk).update(next_at=timezone.now() - timedelta(hours=1))

    daily.fetch_bills()
    assert set(counter.days_fetched) == {first.day, second.day, third.day}
    first.refresh_from_db()
    assert (first.state, first.attempts) == ("waiting", 1)
    assert first.last_error.startswith("adapter_failed: KeyError")
    assert first.next_at
    assert first.next_at > timezone.now()
    assert BillFetch.objects.filter(state="empty").count() == 2


def test_the_unforeseen_is_a_case_after_its_time(counter: Counter, account: PaymentAccount) -> None:
    day = timezone.now().astimezone(BEIJING).date() - timedelta(days=30)
    counter.answers[day] = KeyError("hash_value")
    row = BillFetch.objects.create(account=account, day=day)
    for _try in range(6):
        BillFetch.objects.filter(pk=row.pk, state="waiting").update(next_at=timezone.now())
        daily.fetch_bills()
    row.refresh_from_db()
    assert (row.state, row.next_at) == ("given_up", None)
    case = PaymentException.objects.get()
    assert (case.kind, case.detail["bill_of"]) == ("provider_silent", str(day))
    assert "KeyError" in case.detail["error"]
    assert counter.days_fetched.count(day) == 4


@pytest.mark.parametrize(("away", "caught_up"), [(8, 7), (200, 89)])
def test_a_standstill_is_caught_up(
    away: int, caught_up: int, counter: Counter, account: PaymentAccount
) -> None:
    PaymentAccount.objects.update(created_at=datetime(2025, 1, 1, tzinfo=UTC))
    newest = date(2026, 11, 21)
    BillFetch.objects.create(account=account, day=newest - timedelta(days=away - 1), next_at=None)
    daily.plan(datetime(2026, 11, 22, 3, 0, tzinfo=UTC))
    made = BillFetch.objects.filter(next_at__isnull=False).order_by("-day").values_list("day", flat=True)
    assert list(made) == [newest - timedelta(days=back) for back in range(caught_up)]


def test_empty_bill_of_a_day_with_payments_waits(counter: Counter, account: PaymentAccount) -> None:
    day = timezone.now().astimezone(BEIJING).date() - timedelta(days=10)
    at = datetime(day.year, day.month, day.day, 12, tzinfo=BEIJING)
    paid(account, paid_at=at)
    (row,) = daily.fetch_days(account, [day])
    assert (row.state, row.last_error) == ("given_up", "bill_empty")
    assert PaymentException.objects.get().kind == "provider_silent"
    (other,) = daily.fetch_days(account, [day - timedelta(days=1)])
    assert other.state == "empty"


def test_one_failing_settlement_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = account_at("wechatpay")
    payments = [attempt(shop), attempt(shop)]
    first, second = (take(shop, bills.wechat_csv([row_of(one)])) for one in payments)
    Statement.objects.update(settle_wanted_at=timezone.now() - timedelta(hours=2))
    chunks = settle._chunks

    def fails_for_the_first(lines: Any) -> Any:
        if lines.filter(statement=first).exists():
            raise ZeroDivisionError("boom")
        return chunks(lines)

    monkeypatch.setattr(settle, "_chunks", fails_for_the_first)
    settle_statements()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.settle_wanted_at is None, second.settle_wanted_at is None) == (False, True)
    assert "ZeroDivisionError" in first.last_error
    payments[1].refresh_from_db()
    assert payments[1].status == "paid"
    case = PaymentException.objects.get()
    assert (case.kind, case.detail["statement"]) == ("statement_difference", str(first))

    monkeypatch.setattr(settle, "_chunks", chunks)
    settle_statements()
    first.refresh_from_db()
    assert (first.settle_wanted_at, first.last_error) == (None, "")


def test_page_shows_why_a_settlement_failed(admin_client: Client) -> None:
    shop = account_at("wechatpay")
    statement = take(shop, bills.wechat_csv([row_of(attempt(shop))]))
    Statement.objects.update(settle_wanted_at=timezone.now(), last_error="ZeroDivisionError('boom')")
    page = admin_client.get(f"/admin/payments/statement/{statement.pk}/change/").content.decode()
    assert "ZeroDivisionError" in page
