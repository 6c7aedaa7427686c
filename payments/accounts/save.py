"""Payment accounts: taken from a file, sealed, opened for an adapter, and kept parsed for the notify view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.validators import slug_re
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import Merchant
from ordersite.outside_accounts.files import known_keys, split, unknown_keys
from ordersite.outside_accounts.secrets import seal
from payments.accounts.cache import known_accounts
from payments.accounts.errors import account_of_another, bad_account
from payments.accounts.keys import _TABLE, _open
from payments.models import PaymentAccount
from payments.providers.interface import Provider
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys

_SLUG_LENGTH = 40
_NOTHING: tuple[Any, ...] = ("", [], {}, None)


def save_account(
    slug: str, *, provider: str, merchant: Merchant, values: Mapping[str, Any]
) -> PaymentAccount:
    """Make or change an account from the keys of its file; keys that the file does not name are gone.

    Raises `DomainError`: unknown_provider, bad_account (with what is wrong), account_of_another.
    """
    keys = _checked(slug, get_provider(provider), values)
    with transaction.atomic():
        account = PaymentAccount.objects.select_for_update().filter(slug=slug).first()
        if account and (account.provider, account.merchant_id) != (provider, merchant.pk):
            raise account_of_another(slug)
        account = account or PaymentAccount(slug=slug, provider=provider, merchant=merchant)
        _write(account, keys)
    return account


def change_account(account: PaymentAccount, values: Mapping[str, Any]) -> PaymentAccount:
    """Change the named keys of an account and keep the others; an empty value removes its key.

    Keys that are kept by name (`platform_keys`) change one by one in the same way. Raises `DomainError` bad_account.
    For forms, where secrets are write-only.
    """
    with transaction.atomic():
        account = PaymentAccount.objects.select_for_update().get(pk=account.pk)
        merged = _merged({**account.config, **_open(account)}, values)
        keys = _checked(
            account.slug,
            get_provider(account.provider),
            {name: value for name, value in merged.items() if value not in _NOTHING},
        )
        _write(account, keys)
    return account


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **new}
    for name, value in new.items():
        known = old.get(name)
        if value and isinstance(value, dict) and isinstance(known, dict):
            both = {**known, **value}
            merged[name] = {item: text for item, text in both.items() if text not in _NOTHING}
    return merged


def _write(account: PaymentAccount, keys: AccountKeys) -> None:
    account.config = dict(keys.config)
    account.sealed_secrets = seal(keys.secrets, table=_TABLE, slug=account.slug)
    account.changed_at = timezone.now()
    # A new key deserves a new trial.
    account.failures_in_a_row, account.next_call_at = 0, None
    account.save()
    known_accounts.forget(account.provider, account.slug)
    transaction.on_commit(lambda: known_accounts.forget(account.provider, account.slug))


def _checked(slug: str, provider: Provider, values: Mapping[str, Any]) -> AccountKeys:
    keys = _split(slug, provider, values)
    problems = provider.check(keys)
    if not slug_re.match(slug) or len(slug) > _SLUG_LENGTH:
        problems = [_("The slug must be up to 40 letters, digits, - and _."), *problems]
    if problems:
        raise bad_account(slug, problems)
    return keys


def _split(slug: str, provider: Provider, values: Mapping[str, Any]) -> AccountKeys:
    _config_keys, secret_keys = known_keys(provider)
    problems = [
        _("%(key)s is not a key of this provider.") % {"key": name} for name in unknown_keys(provider, values)
    ]
    problems += [
        _("%(key)s must be text.") % {"key": name}
        for name, value in values.items()
        if not (isinstance(value, str) or (name in secret_keys and _are_texts(value)))
    ]
    if problems:
        raise bad_account(slug, problems)
    given = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    config, secrets = split(provider, given)
    return AccountKeys(provider.name, slug, config, secrets)


def _are_texts(value: Any) -> bool:
    """Several texts, in a row or by name; what a provider makes of them is for its own check."""
    texts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [None]
    return all(isinstance(text, str) for text in texts)
