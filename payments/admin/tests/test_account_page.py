"""The page of a payment account: its circuit breaker, what is wrong with its keys, and a try without waiting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from payments.models import PaymentAccount
from payments.provider_calls.throttle import PROVIDERS, claim_payments
from payments.tests import builders as build
from payments.tests.fake_provider import due_payment
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def address(account: PaymentAccount, action: str = "") -> str:
    page = f"/admin/payments/paymentaccount/{account.pk}/"
    return f"{page}do/{action}/" if action else f"{page}change/"


def test_open_circuit_may_be_half_opened(staff: Client) -> None:
    account = build.build_webhook(query_url=f"{nobody()}/query")
    for _ in range(3):
        due_payment(account)
    until = timezone.now() + timedelta(minutes=5)
    PaymentAccount.objects.update(failures_in_a_row=7, next_call_at=until)
    page = staff.get(address(account)).content.decode()
    assert "<dd>3</dd>" in page
    assert "<dd>7</dd>" in page
    assert address(account, "try") in page
    assert staff.post(address(account, "try")).status_code == 302
    account.refresh_from_db()
    assert (account.is_circuit_open, account.failures_in_a_row) == (False, 7)
    lease = PROVIDERS.take(account)
    assert lease
    assert len(claim_payments(lease)) == 1


@pytest.mark.parametrize(
    ("failures", "minutes", "label"), [(7, 5, "熔断"), (7, -1, "试探中"), (0, -1, "正常")]
)
def test_page_shows_the_circuit(staff: Client, failures: int, minutes: int, label: str) -> None:
    account = build.build_webhook()
    until = timezone.now() + timedelta(minutes=minutes)
    PaymentAccount.objects.update(failures_in_a_row=failures, next_call_at=until)

    page = staff.get(address(account)).content.decode()

    shown = [name for name in ("熔断", "试探中", "正常") if f">{name}<" in page]
    assert shown == [label]


def test_rate_limit_is_no_open_circuit(staff: Client) -> None:
    account = build.build_webhook()
    PaymentAccount.objects.update(next_call_at=timezone.now() + timedelta(seconds=30))
    assert address(account, "try") not in staff.get(address(account)).content.decode()
    account.refresh_from_db()
    until = account.next_call_at
    PROVIDERS.half_open(account)
    account.refresh_from_db()
    assert account.next_call_at == until


def test_wrong_kind_of_key_is_reported_on_save(staff: Client) -> None:
    account = build.build_alipay()
    before = account.sealed_secrets
    given = {"keys": '{"alipay_public_key": "MIIB no key"}', "reason": "轮换"}
    answer = staff.post(address(account, "keys"), given, follow=True)

    page = answer.content.decode()
    assert "alipay_public_key 不是 2048 位以上的 RSA 公钥" in page
    assert "轮换" in page
    assert "MIIB no key" not in page
    account.refresh_from_db()
    assert account.sealed_secrets == before
