"""Opens the keys of a payment account for its adapter."""

from __future__ import annotations

from django.conf import settings

from ordersite.outside_accounts.fingerprints import fingerprint
from payments.models import PaymentAccount
from payments.providers.types import AccountKeys


def keys_by_name(account: PaymentAccount) -> dict[str, list[str]]:
    """The serial numbers that the account holds, for every key that it keeps by name. Raises `CannotDecrypt`."""
    secrets = account.open_secrets()
    return {name: sorted(value) for name, value in secrets.items() if isinstance(value, dict)}


def keys_of(account: PaymentAccount) -> AccountKeys:
    """The account as its adapter takes it. Raises `CannotDecrypt`."""
    secrets = account.open_secrets()
    return AccountKeys(
        provider=account.provider,
        slug=account.slug,
        config=account.config,
        secrets=secrets,
        version=account.keys_version,
        fingerprint=fingerprint({**account.config, **secrets}),
    )


def notify_url(account: PaymentAccount) -> str:
    """The address that the provider calls, absolute."""
    return f"{settings.PUBLIC_BASE_URL}/notify/{account.provider}/{account.slug}/"
