"""Payment accounts: taken from a file, sealed, opened for an adapter, and kept parsed for the notify view."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.validators import slug_re
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import Merchant
from ordersite.lib.account_files import known_keys, split, unknown_keys
from ordersite.lib.account_secrets import seal, unseal
from payments import errors
from payments.models import PaymentAccount
from payments.providers.base import AccountKeys, Secret
from payments.providers.provider import Provider
from payments.providers.registry import get_provider

CACHE_SECONDS = 10.0
RELOAD_SECONDS = 1.0
_SLUG_LENGTH = 40
_TABLE = "payments_paymentaccount"
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
            raise errors.account_of_another(slug)
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
    account.failures_in_a_row, account.resting_until = 0, None
    account.save()
    known_accounts.forget(account.provider, account.slug)
    transaction.on_commit(lambda: known_accounts.forget(account.provider, account.slug))


def _checked(slug: str, provider: Provider, values: Mapping[str, Any]) -> AccountKeys:
    keys = _split(slug, provider, values)
    problems = provider.check(keys)
    if not slug_re.match(slug) or len(slug) > _SLUG_LENGTH:
        problems = [_("The slug must be up to 40 letters, digits, - and _."), *problems]
    if problems:
        raise errors.bad_account(slug, problems)
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
        raise errors.bad_account(slug, problems)
    given = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    config, secrets = split(provider, given)
    return AccountKeys(provider.name, slug, config, secrets)


def _are_texts(value: Any) -> bool:
    """Several texts, in a row or by name; what a provider makes of them is for its own check."""
    texts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [None]
    return all(isinstance(text, str) for text in texts)


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


@dataclass(frozen=True, slots=True)
class Known:
    """An account as the notify view keeps it; `loaded_at` on the monotonic clock."""

    id: int
    keys: AccountKeys
    loaded_at: float


class AccountCache:
    """Opened accounts of one process, each for CACHE_SECONDS. Only accounts that exist are kept: its size is theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Known] = {}

    def get(self, provider: str, slug: str) -> Known | None:
        """None when there is no such account. Raises database errors and `CannotDecrypt`."""
        known = self._known.get((provider, slug))
        if known is not None and time.monotonic() - known.loaded_at < CACHE_SECONDS:
            return known
        return self._load(provider, slug)

    def reload(self, known: Known) -> Known | None:
        """After a failed signature: the account as it is now, or None where it is the same or was just loaded."""
        if time.monotonic() - known.loaded_at < RELOAD_SECONDS:
            return None
        fresh = self._load(known.keys.provider, known.keys.slug)
        return fresh if fresh is not None and fresh.keys.version != known.keys.version else None

    def forget(self, provider: str, slug: str) -> None:
        """This process sees a change at once, the others within CACHE_SECONDS."""
        self._keep((provider, slug), None)

    def _load(self, provider: str, slug: str) -> Known | None:
        account = PaymentAccount.objects.filter(provider=provider, slug=slug).first()
        old = self._known.get((provider, slug))
        known = None
        if account is not None and old is not None and old.keys.version == _version(account):
            known = replace(old, id=account.pk, loaded_at=time.monotonic())
        elif account is not None:
            known = Known(account.pk, keys_of(account), time.monotonic())
        self._keep((provider, slug), known)
        return known

    def _keep(self, name: tuple[str, str], known: Known | None) -> None:
        with self._lock:
            if known is None:
                self._known.pop(name, None)
            else:
                self._known[name] = known


known_accounts = AccountCache()
