"""Carrier accounts: taken from a file, sealed, opened for a connector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics import errors
from logistics.carriers import registry
from logistics.carriers.types import CarrierKeys
from logistics.models import CarrierAccount
from orders.models import Merchant
from ordersite.lib import crypto
from ordersite.outside_accounts.files import split, unknown_keys
from ordersite.outside_accounts.secrets import seal, unseal

_TABLE = "logistics_carrieraccount"
_PUSH_TOKEN = "push_token"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True)
class Saved:
    account: CarrierAccount
    push_url: str


def save_account(slug: str, *, carrier: str, merchant: Merchant, data: Mapping[str, Any]) -> Saved:
    """Make or change an account from the keys of its file; an account keeps its push address.

    Raises `DomainError`: unknown_carrier, bad_account (with what is wrong), account_of_another.
    """
    keys = _read(slug, carrier, data)
    problems = registry.get_carrier(carrier).check(keys)
    if problems:
        raise errors.bad_account(slug, problems)
    with transaction.atomic():
        account = CarrierAccount.objects.select_for_update().filter(slug=slug).first()
        token = _kept_token(account, carrier, merchant) if account else crypto.new_token()
        account = account or CarrierAccount(slug=slug, carrier=carrier, merchant=merchant)
        account.config = dict(keys.config)
        account.sealed_secrets = seal({**keys.secrets, _PUSH_TOKEN: token}, table=_TABLE, slug=slug)
        account.push_token_digest = hashlib.sha256(token.encode()).hexdigest()
        account.changed_at = timezone.now()
        # A new key deserves a new trial.
        account.failures_in_a_row, account.next_call_at = 0, None
        account.save()
    return Saved(account, _push_url(carrier, token))


def _read(slug: str, carrier: str, data: Mapping[str, Any]) -> CarrierKeys:
    adapter = registry.get_carrier(carrier)
    problems = [
        _("%(key)s is not a key of this carrier.") % {"key": name} for name in unknown_keys(adapter, data)
    ]
    problems += [
        _("%(key)s must be text or a whole number.") % {"key": name}
        for name, value in data.items()
        if isinstance(value, bool) or not isinstance(value, str | int)
    ]
    if problems:
        raise errors.bad_account(slug, problems)
    texts = {name: str(value).strip() for name, value in data.items()}
    config, secrets = split(adapter, texts)
    return CarrierKeys(carrier, slug, config, secrets)


def _kept_token(account: CarrierAccount, carrier: str, merchant: Merchant) -> str:
    if (account.carrier, account.merchant_id) != (carrier, merchant.pk):
        raise errors.account_of_another(account.slug)
    return _open(account)[_PUSH_TOKEN]


def _open(account: CarrierAccount) -> dict[str, str]:
    """Raises `CannotDecrypt`."""
    return unseal(account.sealed_secrets, table=_TABLE, slug=account.slug)


def _push_url(carrier: str, token: str) -> str:
    return f"{settings.PUBLIC_BASE_URL}/push/{carrier}/{token}/"


def keys_of(account: CarrierAccount) -> CarrierKeys:
    """The account as its connector wants it. Raises `CannotDecrypt`."""
    secrets = _open(account)
    secrets.pop(_PUSH_TOKEN, None)
    return CarrierKeys(
        carrier=account.carrier,
        slug=account.slug,
        config=account.config,
        secrets=secrets,
        version=account.changed_at.isoformat(),
    )
