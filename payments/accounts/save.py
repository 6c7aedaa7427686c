"""Saves payment accounts from files and forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Merchant
from ordersite.outside_accounts.errors import bad_account
from ordersite.outside_accounts.files import known_keys
from ordersite.outside_accounts.save import SplitKeys, lock_or_new, read_keys, write_keys
from payments.accounts.cache import known_accounts
from payments.accounts.checks import playground_problems
from payments.models import PaymentAccount
from payments.providers import weak_keys
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys

_NOTHING: tuple[Any, ...] = ("", [], {}, None)


def save_account(
    slug: str, *, provider: str, merchant: Merchant, values: Mapping[str, Any]
) -> PaymentAccount:
    """Create or change an account from the keys of its file; keys that the file does not name are removed.

    Raises `DomainError`: unknown_provider, bad_account (with every problem), account_of_another.
    """
    keys = checked_keys(slug, provider, values)
    with transaction.atomic():
        account = lock_or_new(PaymentAccount, slug, provider=provider, merchant=merchant)
        _write(account, keys)
    return account


def change_account(account: PaymentAccount, values: Mapping[str, Any]) -> PaymentAccount:
    """Change the named keys of an account and keep the others; an empty value removes its key.

    Keys that are kept by name (`platform_keys`) change one by one in the same way. Raises `DomainError` bad_account.
    For forms, where secrets are write-only.
    """
    with transaction.atomic():
        account = PaymentAccount.objects.select_for_update().get(pk=account.pk)
        _write(account, changed_keys(account, values))
    return account


def changed_keys(account: PaymentAccount, values: Mapping[str, Any]) -> SplitKeys:
    """The keys of an account as `change_account` would write them. Raises `DomainError` bad_account, `CannotDecrypt`."""
    merged = _merged({**account.config, **account.open_secrets()}, values)
    given = {name: value for name, value in merged.items() if value not in _NOTHING}
    return checked_keys(account.slug, account.provider, given)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **new}
    for name, value in new.items():
        known = old.get(name)
        if value and isinstance(value, dict) and isinstance(known, dict):
            both = {**known, **value}
            merged[name] = {item: text for item, text in both.items() if text not in _NOTHING}
    return merged


def _write(account: PaymentAccount, keys: SplitKeys) -> None:
    write_keys(account, keys)
    known_accounts.forget((account.provider, account.slug))
    transaction.on_commit(lambda: known_accounts.forget((account.provider, account.slug)))


def checked_keys(slug: str, provider_name: str, values: Mapping[str, Any]) -> SplitKeys:
    """The keys of an account file, split and checked. Raises `DomainError`: unknown_provider, bad_account."""
    provider = get_provider(provider_name)
    _config_keys, secret_keys = known_keys(provider)
    no_text = [
        _("%(key)s must be text.") % {"key": name}
        for name, value in values.items()
        if not (isinstance(value, str) or (name in secret_keys and _are_texts(value)))
    ]
    keys = read_keys(provider, slug, values, problems=no_text)
    found = AccountKeys(provider.name, slug, keys.config, keys.secrets)
    if problems := provider.check(found) or [
        *weak_keys.weaknesses(found),
        *playground_problems(keys.config),
    ]:
        raise bad_account(slug, problems)
    return keys


def _are_texts(value: Any) -> bool:
    """Whether it is a list or a mapping of texts; whether the provider can use them is for its own check."""
    texts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [None]
    return all(isinstance(text, str) for text in texts)
