"""A database that is an older copy of itself: what was acknowledged since is found again at the providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orders.models import Order, OrderEvent
from ordersite.database import server_defaults
from ordersite.lib.money import format_amount
from payments.models import Payment, PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.reconciliation import recovery
from payments.tests import builders as build
from payments.tests.fake_provider import pollable, serving
from payments.tests.steps import request_close

pytestmark = pytest.mark.django_db(transaction=True)
PAID_SINCE = 12


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    with serving() as server:
        yield server


def knows(provider: HTTPServer, paid: dict[str, str]) -> None:
    """The provider's own books: what was paid there, and nothing else."""

    def handle(request: Request) -> Response:
        reference = request.get_json()["reference"]
        body: dict[str, Any] = {"reference": reference, "status": "pending"}
        if reference in paid:
            body |= {"status": "succeeded", "amount": paid[reference], "currency": "CNY"}
            body["provider_reference"] = f"wh-{reference}"
        return Response(json.dumps(body), content_type="application/json")

    provider.expect_request("/query", method="POST").respond_with_handler(handle)


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("recover_payments", *arguments, "--json", stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def execute_outside(*statements: str) -> None:
    """As the server's owner, from another database: nobody may be connected to a database that is copied."""
    connection.close()
    found = connection.settings_dict
    place = {
        "host": found["HOST"],
        "port": found["PORT"],
        "user": found["USER"],
        "password": found["PASSWORD"],
    }
    with psycopg.connect(dbname="postgres", autocommit=True, **place) as outside:
        for statement in statements:
            outside.execute(statement)


@pytest.fixture
def copy() -> Iterator[str]:
    name = f"{connection.settings_dict['NAME']}_older"
    yield name
    execute_outside(f'DROP DATABASE IF EXISTS "{name}"')


@pytest.mark.postgres
def test_restored_copy_regains_its_payments(provider: HTTPServer, copy: str) -> None:
    account = pollable(provider)
    payments = [build.build_payment(account) for _ in range(PAID_SINCE)]
    unpaid = build.build_payment(account)
    closed_here = build.build_payment(account, status="closed")
    request_close(closed_here.order)
    assert Order.objects.get(pk=closed_here.order_id).status == "closed"
    name = connection.settings_dict["NAME"]
    since = timezone.now() - timedelta(minutes=1)
    execute_outside(f'DROP DATABASE IF EXISTS "{copy}"', f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')

    for payment in [*payments, closed_here]:
        assert build.post_webhook(*build.webhook_call(payment)).status_code == 204
    drain_notifications()
    assert Order.objects.filter(status="paid").count() == PAID_SINCE
    knows(provider, {one.reference: format_amount(one.amount) for one in [*payments, closed_here]})
    execute_outside(f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}" TEMPLATE "{copy}"')
    call_command("migrate", verbosity=0)  # as after every restore: a new database has no time limits
    connection.close()
    assert server_defaults.missing() == []
    assert (Order.objects.filter(status="paid").count(), PaymentNotification.objects.count()) == (0, 0)

    found = run("--since", since.isoformat())
    assert (found["asked"], found["paid"], found["unanswered"]) == (PAID_SINCE + 2, PAID_SINCE + 1, 0)
    assert (found["undecided"], Payment.objects.get(pk=unpaid.pk).status) == (1, "open")
    lines = OrderEvent.objects.filter(to_status="paid").values_list("order_id", flat=True)
    assert sorted(lines) == sorted(payment.order_id for payment in payments)
    assert Order.objects.filter(status="paid").count() == PAID_SINCE
    case = PaymentException.objects.get()
    assert (case.kind, case.payment_id) == ("order_closed", closed_here.pk)
    call_command("verify_history", stdout=StringIO())

    # A provider that calls again after all, and a second run, change nothing.
    build.post_webhook(*build.webhook_call(payments[0]))
    drain_notifications()
    assert PaymentNotification.objects.get().outcome == "duplicate"
    assert run("--since", since.isoformat())["asked"] == 1
    assert OrderEvent.objects.filter(to_status="paid").count() == PAID_SINCE


def test_unanswered_is_counted_and_stays_due(provider: HTTPServer) -> None:
    account = pollable(provider)
    build.build_payment(account)
    type(account).objects.update(next_call_at=timezone.now() + timedelta(minutes=5))
    found = run("--since", timezone.now().isoformat(), "--minutes", "0")
    assert (found["asked"], found["unanswered"]) == (1, 1)
    assert Payment.objects.get().next_query_at is not None


def test_attempt_ended_before_is_not_queried(provider: HTTPServer) -> None:
    old = timezone.now() - timedelta(days=2)
    build.build_payment(pollable(provider), created_at=old, expires_at=old, status="closed")
    assert run("--since", (timezone.now() - timedelta(days=1)).isoformat())["asked"] == 0


def test_the_days_of_the_bills() -> None:
    """A day of Beijing; the last one has no bill yet."""
    at = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)  # half past midnight of the 21st there
    days = recovery.bill_days(at, until=datetime(2026, 11, 23, 1, tzinfo=UTC))
    assert [str(day) for day in days] == ["2026-11-21", "2026-11-22"]
    assert recovery.bill_days(at, until=at) == []
