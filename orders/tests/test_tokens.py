"""Tokens of API clients: they expire, their use is seen, and they are renewed without a pause."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import clients, tokens
from orders.models import ApiClient, StaffMail
from orders.tests.builders import build_merchant
from ordersite.health.alert_mail import tend_alerts
from ordersite.health.models import Alert
from ordersite.queue.models import AuditEntry
from payments.manual.tests.proposals import person

pytestmark = pytest.mark.django_db
LIST = "/api/v1/orders/"
PAGES = "/admin/orders/apiclient"


def made(*, days: int | None = None, name: str = "ERP") -> tuple[ApiClient, str]:
    return clients.add_client(build_merchant(), name=name, scopes=["orders:read"], days=days)


def call(token: str) -> Any:
    return Client(headers={"authorization": f"Bearer {token}"}).get(LIST)


def ends_at(client: ApiClient, at: datetime) -> None:
    ApiClient.objects.filter(pk=client.pk).update(expires_at=at)


def test_expired_token_is_refused_with_its_time() -> None:
    client, token = made(days=1)
    assert call(token).status_code == 200

    ends_at(client, timezone.now() - timedelta(minutes=1))

    answer = call(token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert f"{timezone.now():%Y-}" in answer.json()["message"]


def test_use_is_noted_once_an_hour() -> None:
    _client, token = made()
    call(token)
    first = ApiClient.objects.get().last_used_at
    assert first is not None

    with CaptureQueriesContext(connection) as queries:
        call(token)
    assert not [query for query in queries if "UPDATE" in query["sql"]]
    assert ApiClient.objects.get().last_used_at == first

    ApiClient.objects.update(last_used_at=first - timedelta(minutes=61))
    call(token)
    again = ApiClient.objects.get().last_used_at
    assert again is not None
    assert again >= first


def test_refused_calls_are_no_use() -> None:
    client, token = made(days=1)
    ends_at(client, timezone.now() - timedelta(minutes=1))
    call(token)
    assert ApiClient.objects.get().last_used_at is None


def test_old_token_works_beside_the_new_one_for_a_time() -> None:
    client, old = made()
    new = tokens.rotate(client, old_days=2)
    assert [call(token).status_code for token in (old, new)] == [200, 200]

    ApiClient.objects.update(old_token_until=timezone.now() - timedelta(seconds=1))

    assert [call(token).status_code for token in (old, new)] == [401, 200]


def test_second_renewal_ends_the_first_token() -> None:
    client, first = made()
    second = tokens.rotate(client)
    third = tokens.rotate(client)
    assert [call(token).status_code for token in (first, second, third)] == [401, 200, 200]


def test_renewal_prolongs_no_token() -> None:
    client, _old = made(days=1)
    tokens.rotate(client, old_days=30, days=90)
    row = ApiClient.objects.get()
    assert row.old_token_until == client.expires_at
    assert row.expires_at is not None
    assert row.expires_at > timezone.now() + timedelta(days=89)


def test_switched_off_client_has_no_token_at_all() -> None:
    client, old = made()
    new = tokens.rotate(client)
    ApiClient.objects.update(is_active=False)
    assert [call(token).status_code for token in (old, new)] == [401, 401]


def test_alert_before_the_end_and_healed_by_renewal() -> None:
    client, _token = made(days=13)
    made(days=15, name="later")
    made(name="endless")
    tokens.watch_expiry()
    tokens.watch_expiry()
    alert = Alert.objects.get()
    assert (alert.kind, alert.count, alert.closed_at) == ("token_expires", 1, None)
    assert alert.subject == f"ERP (demo, {client.token_hint}…)"

    tokens.rotate(client, days=90)
    tokens.watch_expiry()

    assert Alert.objects.get().closed_at is not None


def test_operations_get_mail_about_it() -> None:
    person("ops", "operations")
    made(days=3)
    tokens.watch_expiry()
    tend_alerts()
    assert StaffMail.objects.get().address == "ops@shop.test"


def test_page_renews_and_shows_the_token_once(client: Client) -> None:
    row, old = made()
    person("fin", "finance")
    client.force_login(person("ops", "operations"))

    page = client.post(f"{PAGES}/{row.pk}/do/rotate/", {"days": "90", "old_days": "7"}).content.decode()

    new = page.partition('id="os-once">')[2].partition("<")[0]
    assert [call(token).status_code for token in (old, new)] == [200, 200]
    assert new not in client.get(f"{PAGES}/{row.pk}/change/").content.decode()
    names = AuditEntry.objects.filter(table_name="orders_apiclient").values_list("column_name", flat=True)
    assert set(names) == {"token", "expires_at"}
    assert StaffMail.objects.get().address == "fin@shop.test"


def test_list_shows_end_and_use(client: Client) -> None:
    row, token = made(days=3)
    call(token)
    client.force_login(person("ops", "operations"))
    page = client.get(f"{PAGES}/").content.decode()
    assert row.expires_at is not None
    assert timezone.localtime(row.expires_at).strftime("%Y-%m-%d %H:%M") in page
    assert all(word in page for word in ("有效期至", "最近使用", "<time "))


def test_commands_set_an_end_and_renew() -> None:
    build_merchant()
    out = StringIO()
    call_command("add_api_client", "--merchant", "demo", "--scope", "orders:read", "--days", "30", stdout=out)
    old = out.getvalue().split()[-1]
    call_command("rotate_api_client", old[:6], "--merchant", "demo", "--old-days", "1", stdout=out)
    new = out.getvalue().split()[-1]

    row = ApiClient.objects.get()
    assert (row.token_hint, row.expires_at) == (new[:6], None)
    assert [call(token).status_code for token in (old, new)] == [200, 200]
    with pytest.raises(CommandError, match="no active token"):
        call_command("rotate_api_client", "nobody", "--merchant", "demo")
