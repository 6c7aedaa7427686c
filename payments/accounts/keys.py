"""The keys of a payment account, opened for its adapter."""

from __future__ import annotations

import hashlib
import json

from django.conf import settings

from ordersite.outside_accounts.secrets import unseal
from payments.models import PaymentAccount
from payments.providers.types import AccountKeys, Secret

_TABLE = "payments_paymentaccount"


def _open(account: PaymentAccount) -> dict[str, Secret]:
    return unseal(account.sealed_secrets, table=_TABLE, slug=account.slug)


def keys_by_name(account: PaymentAccount) -> dict[str, list[str]]:
    """Which serial numbers the account holds, for every key that it keeps by name. Raises `CannotDecrypt`."""
    return {name: sorted(value) for name, value in _open(account).items() if isinstance(value, dict)}


def keys_of(account: PaymentAccount) -> AccountKeys:
    """The account as its adapter wants it. Raises `CannotDecrypt`."""
    return AccountKeys(
        provider=account.provider,
        slug=account.slug,
        config=account.config,
        secrets=_open(account),
        version=_version(account),
    )


def _version(account: PaymentAccount) -> str:
    text = json.dumps(account.config, sort_keys=True) + account.sealed_secrets
    return hashlib.sha256(text.encode()).hexdigest()


def notify_url(account: PaymentAccount) -> str:
    """The address that the provider calls, absolute."""
    return f"{settings.PUBLIC_BASE_URL}/notify/{account.provider}/{account.slug}/"
