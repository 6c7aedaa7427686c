"""Saves carrier accounts from their files, and opens their keys for a connector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.carriers import registry
from logistics.carriers.types import CarrierKeys
from logistics.models import CarrierAccount
from orders.approvals import server_changes
from orders.models import Merchant
from ordersite.lib import crypto
from ordersite.lib.money import ZERO, parse_amount
from ordersite.outside_accounts.errors import bad_account
from ordersite.outside_accounts.fingerprints import described
from ordersite.outside_accounts.save import SplitKeys, lock_or_new, read_keys, write_keys

# Keys of every carrier's account file: how many calls may be on their way at once, and how often the parcels of important
# buyers are polled. Each with the most that it may be.
MAX_PARALLEL, IMPORTANT_MINUTES = "max_parallel", "important_poll_minutes"
WHOLE_NUMBERS: Mapping[str, int] = {MAX_PARALLEL: 24, IMPORTANT_MINUTES: 1440}
_PUSH_TOKEN = "push_token"  # noqa: S105 (a name)
# Any account may state it: the carrier's highest insured value of one parcel, in yuan.
HIGHEST_KEY = "max_insured_value"


@dataclass(frozen=True, slots=True)
class SavedAccount:
    """`push_url`: the address that the carrier calls, absolute. It contains a secret."""

    account: CarrierAccount
    push_url: str


def save_account(slug: str, *, carrier: str, merchant: Merchant, data: Mapping[str, Any]) -> SavedAccount:
    """Create or change an account from the keys of its file; an account keeps its push address.

    Raises `DomainError`: unknown_carrier, bad_account (with every problem), account_of_another.
    """
    keys = checked_keys(slug, carrier, data)
    with transaction.atomic():
        account = lock_or_new(CarrierAccount, slug, carrier=carrier, merchant=merchant)
        if account.pk is None:
            account.silence_counts_from = timezone.now()
        token = account.open_secrets()[_PUSH_TOKEN] if account.pk else crypto.new_token()
        account.push_token_digest = hashlib.sha256(token.encode()).hexdigest()
        write_keys(account, SplitKeys(keys.config, {**keys.secrets, _PUSH_TOKEN: token}))
    return SavedAccount(account, _push_url(carrier, token))


def save_announced(
    slug: str, *, carrier: str, merchant: Merchant, data: Mapping[str, Any], by: AbstractUser | None = None
) -> SavedAccount:
    """Save an account for a person, or for a command on the server: audited, and the approvers get mail.

    Raises what `save_account` raises.
    """
    with transaction.atomic():
        old = CarrierAccount.objects.select_for_update().filter(slug=slug).first()
        before = _shown(old) if old else {}
        saved = save_account(slug, carrier=carrier, merchant=merchant, data=data)
        row = server_changes.Changed(CarrierAccount._meta.db_table, saved.account.pk, slug)
        server_changes.note(row, before=before, after=_shown(saved.account), by=by)
    return saved


def _shown(account: CarrierAccount) -> dict[str, str]:
    """Settings, and fingerprints of the secrets; a command also mends an account that cannot be opened any more."""
    try:
        keys = keys_of(account)
    except crypto.CannotDecrypt:
        return {name: str(value) for name, value in account.config.items()}
    return {"carrier": account.carrier, **described(keys.config, keys.secrets)}


def checked_keys(slug: str, carrier: str, data: Mapping[str, Any]) -> SplitKeys:
    connector = registry.get_carrier(carrier)
    wrong = [
        _("%(key)s must be text or a whole number.") % {"key": name}
        for name, value in data.items()
        if isinstance(value, bool) or not isinstance(value, str | int)
    ]
    texts = {name: str(value) for name, value in data.items()}
    ours = {name: value for name in (*WHOLE_NUMBERS, HIGHEST_KEY) if (value := texts.pop(name, "").strip())}
    keys = read_keys(connector, slug, texts, problems=[*wrong, *_problems_of(ours)])
    keys.config.update(ours)
    if problems := connector.check(CarrierKeys(carrier, slug, keys.config, keys.secrets)):
        raise bad_account(slug, problems)
    return keys


def _problems_of(ours: Mapping[str, str]) -> list[str]:
    """What is wrong with the keys that every account may hold."""
    found = [
        _("%(key)s must be a whole number from 1 to %(most)s.") % {"key": name, "most": most}
        for name, most in WHOLE_NUMBERS.items()
        if name in ours and not _is_number(ours[name], most=most)
    ]
    if HIGHEST_KEY in ours and not _is_highest(ours[HIGHEST_KEY]):
        found.append(_("%(key)s must be an amount in yuan.") % {"key": HIGHEST_KEY})
    return found


def _is_number(text: str, *, most: int) -> bool:
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return is_number and 1 <= int(text) <= most


def _is_highest(text: str) -> bool:
    try:
        return parse_amount(text) > ZERO
    except ValueError:
        return False


def push_url_of(account: CarrierAccount) -> str:
    """The address that the account's carrier calls, absolute. It contains a secret. Raises `CannotDecrypt`."""
    return _push_url(account.carrier, account.open_secrets()[_PUSH_TOKEN])


def _push_url(carrier: str, token: str) -> str:
    return f"{settings.PUBLIC_BASE_URL}/push/{carrier}/{token}/"


def keys_of(account: CarrierAccount) -> CarrierKeys:
    """The account as its connector takes it, without the push address. Raises `CannotDecrypt`."""
    secrets = account.open_secrets()
    secrets.pop(_PUSH_TOKEN, None)
    return CarrierKeys(
        carrier=account.carrier,
        slug=account.slug,
        config=account.config,
        secrets=secrets,
        version=account.keys_version,
    )
