"""Caches opened payment accounts for the notification endpoint."""

from __future__ import annotations

from ordersite.outside_accounts.opened import Opened, OpenedAccounts
from payments.accounts.keys import keys_of
from payments.models import PaymentAccount
from payments.providers.types import AccountKeys

# Provider and slug.
Known = Opened[tuple[str, str], AccountKeys]


def _find(name: tuple[str, str]) -> PaymentAccount | None:
    provider, slug = name
    return PaymentAccount.objects.filter(provider=provider, slug=slug).first()


known_accounts = OpenedAccounts(_find, keys_of)
