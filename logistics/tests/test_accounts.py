"""Carrier accounts: saving from a file, sealed secrets, the push address."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from logistics.accounts import keys_of, save_account
from logistics.models import CarrierAccount
from logistics.tracking.coverage import coverage_of
from orders.tests.builders import build_merchant
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db

FILE = {
    "customer": "CUSTOMER", "key": "KEY-SECRET-1", "secret": "LABEL-SECRET", "salt": "SALT",
    "query_url": "https://poll.example.com/query.do", "min_interval_seconds": 1800,
}  # fmt: skip


def run_command(path: Path, data: dict[str, Any] | str, *, slug: str = "k100") -> str:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    out = StringIO()
    call_command(
        "set_carrier_account", "kuaidi100", slug, "--merchant", "demo", "--from-json", str(path), stdout=out
    )
    return out.getvalue()


def test_command_saves_and_prints_the_push_url(tmp_path: Path, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://shop.example.com"
    build_merchant()

    printed = run_command(tmp_path / "k.json", FILE)

    assert printed.startswith("https://shop.example.com/push/kuaidi100/")
    account = CarrierAccount.objects.get()
    assert account.config == {
        "customer": "CUSTOMER", "query_url": "https://poll.example.com/query.do", "min_interval_seconds": "1800",
    }  # fmt: skip
    assert not any(secret in account.sealed_secrets for secret in ("KEY-SECRET-1", "LABEL-SECRET", "SALT"))
    assert keys_of(account).secrets == {"key": "KEY-SECRET-1", "secret": "LABEL-SECRET", "salt": "SALT"}

    again = run_command(tmp_path / "k.json", {**FILE, "key": "KEY-SECRET-2"})

    assert again == printed
    assert keys_of(CarrierAccount.objects.get()).secrets["key"] == "KEY-SECRET-2"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**FILE, "pin": "1"}, "pin"),
        ({key: value for key, value in FILE.items() if key != "key"}, "key"),
        ({**FILE, "query_url": "http://poll.example.com/"}, "query_url"),
        ({**FILE, "customer": ["x"]}, "customer"),
        ('{"key": "a", "key": "b"}', "twice"),
        ("[]", "object"),
    ],
)
def test_invalid_file_is_refused(tmp_path: Path, data: Any, message: str) -> None:
    build_merchant()
    with pytest.raises(CommandError, match=message):
        run_command(tmp_path / "k.json", data)
    assert not CarrierAccount.objects.exists()


def test_slug_of_another_merchant_is_refused(tmp_path: Path) -> None:
    build_merchant()
    run_command(tmp_path / "k.json", FILE)
    with pytest.raises(DomainError, match="account_of_another"):
        save_account("k100", carrier="kuaidi100", merchant=build_merchant("other"), data=FILE)
    assert CarrierAccount.objects.get().merchant.slug == "demo"


def test_sealed_text_opens_in_its_own_row_only() -> None:
    merchant = build_merchant()
    one = save_account("one", carrier="kuaidi100", merchant=merchant, data=FILE).account
    two = save_account("two", carrier="kuaidi100", merchant=merchant, data=FILE).account
    two.sealed_secrets = one.sealed_secrets
    with pytest.raises(CannotDecrypt):
        keys_of(two)


def test_kuaidi100_polls_the_other_carriers() -> None:
    merchant = build_merchant()
    assert coverage_of(merchant.pk, "yto") is None
    account = save_account("one", carrier="kuaidi100", merchant=merchant, data=FILE).account
    save_account("two", carrier="kuaidi100", merchant=merchant, data=FILE)
    coverage = coverage_of(merchant.pk, "yto")
    assert coverage is not None
    assert coverage.account == account
