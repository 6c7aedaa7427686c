"""The daily fetch: when it asks, how long it waits, what it gives up, and that it settles nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from orders.models import Order
from ordersite.lib.errors import OutsideError
from payments.models import BillFetch, PaymentAccount, PaymentException, Statement
from payments.providers import registry
from payments.providers.types import BillResult, BillState
from payments.providers.webhook.adapter import Webhook
from payments.reconciliation import fetch as daily
from payments.reconciliation import importing
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import attempt, row_of
from payments.tests.builders import build_webhook

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 21)


class Till(Webhook):
    """A provider with bills: it gives what the test has laid down."""

    def __init__(self, *answers: BillResult | OutsideError, content: bytes = b"") -> None:
        self.answers, self.content, self.days_fetched = list(answers), content, list[date]()

    def can_bill(self, keys: Any) -> bool:
        return True

    def fetch_bill(self, day: date, keys: Any, gateway: Any, target: Path) -> BillResult:
        self.days_fetched.append(day)
        answer = self.answers.pop(0)
        if isinstance(answer, OutsideError):
            raise answer
        if answer.state is BillState.READY:
            target.write_bytes(self.content)
        return answer


READY, EMPTY = BillResult(state=BillState.READY, file_name="bill.csv"), BillResult(state=BillState.EMPTY)
NOT_READY = BillResult(state=BillState.NOT_READY, detail="NO_BILL_YET")
SILENT = OutsideError("timeout", "The provider is silent.", retryable=True)


@contextmanager
def till(monkeypatch: pytest.MonkeyPatch, provider: Till) -> Iterator[Till]:
    monkeypatch.setattr(registry, "PROVIDERS", {**registry.PROVIDERS, "webhook": provider})
    yield provider


def account() -> PaymentAccount:
    made = build_webhook()
    PaymentAccount.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=100))
    return PaymentAccount.objects.get(pk=made.pk)


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (datetime(2026, 11, 22, 1, 59, tzinfo=UTC), date(2026, 11, 20)),  # 9:59 in Beijing
        (datetime(2026, 11, 22, 2, 0, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 22, 15, 59, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 22, 16, 0, tzinfo=UTC), date(2026, 11, 21)),  # the day has changed in Beijing
    ],
)
def test_day_is_fetched_from_ten_next_morning(
    now: datetime, newest: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    account()
    with till(monkeypatch, Till()):
        daily.plan(now)
        daily.plan(now)
    days = list(BillFetch.objects.order_by("-day").values_list("day", flat=True))
    assert days == [newest - timedelta(days=back) for back in range(3)]


def test_no_fetch_without_bills_or_when_inactive(monkeypatch: pytest.MonkeyPatch) -> None:
    one = account()
    daily.fetch_bills()
    assert daily.fetch_days(one, [DAY]) == []
    PaymentAccount.objects.update(is_active=False)
    with till(monkeypatch, Till()):
        daily.fetch_bills()
    assert not BillFetch.objects.exists()


def test_ready_bill_is_matched_but_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    one = account()
    PaymentAccount.objects.filter(pk=one.pk).update(provider="webhook", config={"mchid": bills.MCHID})
    stuck = attempt(one)
    content = bills.wechat_csv([row_of(stuck), Row("UNKNOWN000000001", "T1", "3.00")])
    with till(monkeypatch, Till(READY, content=content)):
        (fetch,) = daily.fetch_days(one, [DAY])
        importing.import_statements()
    statement = Statement.objects.get()
    assert (fetch.state, fetch.statement, fetch.next_at) == ("done", statement, None)
    assert (statement.source, statement.day, statement.file_name) == ("fetch", DAY, "bill.csv")
    assert statement.refusal["code"] == "wrong_form"  # a till of its own makes no bills of WeChat Pay
    assert PaymentException.objects.get().kind == "statement_difference"
    assert Order.objects.get().status == "pending"


def test_wait_grows_until_the_bill_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    one, gaps = account(), []
    day = timezone.now().date() - timedelta(days=1)
    with till(monkeypatch, Till(NOT_READY, SILENT, NOT_READY, EMPTY)) as provider:
        daily.fetch_days(one, [day])
        for _try in range(3):
            fetch = BillFetch.objects.get()
            assert fetch.next_at
            gaps.append(round((fetch.next_at - timezone.now()).total_seconds() / 60))
            BillFetch.objects.update(next_at=timezone.now())
            daily._try(BillFetch.objects.get())
    assert gaps == [10, 30, 60]
    assert provider.days_fetched == [day] * 4
    assert BillFetch.objects.get().state == "empty"


def test_bill_is_not_fetched_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one = account()
    with till(monkeypatch, Till(*[EMPTY] * 3)) as provider:
        daily.fetch_bills()
        daily.fetch_bills()
    assert len(provider.days_fetched) == 3
    assert BillFetch.objects.filter(account=one, state="empty").count() == 3


def test_bill_missing_for_days_opens_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    one = account()
    with till(monkeypatch, Till(SILENT)):
        (fetch,) = daily.fetch_days(one, [timezone.now().date() - timedelta(days=6)])
    assert (fetch.state, fetch.next_at) == ("given_up", None)
    case = PaymentException.objects.get()
    assert (case.kind, case.detail["bill_of"]) == ("provider_silent", str(fetch.day))
