"""Saving outside accounts, payment and carrier accounts alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from logistics.accounts import save_account as save_carrier
from logistics.models import CarrierAccount
from orders.models import Merchant
from orders.tests.builders import build_merchant
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError
from ordersite.outside_accounts.circuit import CircuitState
from payments.accounts.save import save_account as save_payment
from payments.models import PaymentAccount
from payments.tests.builders import WEBHOOK_SECRET

pytestmark = pytest.mark.django_db

Save = Callable[..., Any]


def save_webhook(slug: str, *, merchant: Merchant | None = None, **keys: Any) -> Any:
    values = {"secret": WEBHOOK_SECRET, **keys}
    return save_payment(slug, provider="webhook", merchant=merchant or build_merchant(), values=values)


def save_kuaidi100(slug: str, *, merchant: Merchant | None = None, **keys: Any) -> Any:
    data = {"customer": "CUSTOMER", "key": "KEY", "query_url": "https://poll.example.com/query.do", **keys}
    return save_carrier(slug, carrier="kuaidi100", merchant=merchant or build_merchant(), data=data).account


EVERY_KIND = pytest.mark.parametrize("save", [save_webhook, save_kuaidi100], ids=["payment", "carrier"])


def nothing_saved() -> bool:
    return not PaymentAccount.objects.exists() and not CarrierAccount.objects.exists()


@EVERY_KIND
@pytest.mark.parametrize("slug", ["has space", "über", "a" * 41, "a/b", ""])
def test_slug_that_is_no_path_is_refused(save: Save, slug: str) -> None:
    with pytest.raises(DomainError) as refused:
        save(slug)

    assert refused.value.code == "bad_account"
    assert nothing_saved()


@EVERY_KIND
@pytest.mark.parametrize("keys", [{"colour": "red"}, {"query_url": ["x"]}, {"query_url": "ftp://x"}])
def test_bad_keys_are_refused(save: Save, keys: dict[str, Any]) -> None:
    with pytest.raises(DomainError) as refused:
        save("shop", **keys)

    assert refused.value.code == "bad_account"
    assert nothing_saved()


@EVERY_KIND
def test_account_cannot_change_its_merchant(save: Save) -> None:
    account = save("shop")
    before = type(account).objects.values().get()

    with pytest.raises(DomainError) as refused:
        save("shop", merchant=build_merchant("other"))

    assert refused.value.code == "account_of_another"
    assert type(account).objects.values().get() == before


@EVERY_KIND
def test_secrets_open_in_their_own_row_only(save: Save) -> None:
    one, two = save("one"), save("two")
    one.open_secrets()

    two.sealed_secrets = one.sealed_secrets

    with pytest.raises(CannotDecrypt):
        two.open_secrets()


@EVERY_KIND
def test_new_keys_close_the_circuit(save: Save) -> None:
    account = save("shop")
    until = timezone.now() + timedelta(minutes=5)
    type(account).objects.update(failures_in_a_row=7, next_call_at=until)

    save("shop")

    account.refresh_from_db()
    assert account.circuit is CircuitState.CLOSED
    assert account.next_call_at is None


@EVERY_KIND
def test_version_changes_with_the_keys(save: Save) -> None:
    first = save("shop")

    second = save("shop", query_url="https://other.example.com/query.do")

    assert second.pk == first.pk
    assert second.keys_version != first.keys_version
