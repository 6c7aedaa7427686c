"""Carrier accounts: taken from a file, sealed, opened for a connector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics import errors
from logistics.carriers import registry
from logistics.carriers.types import CarrierKeys
from logistics.models import CARRIERS, CarrierAccount, Shipment
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
        account.failures_in_a_row, account.resting_until = 0, None
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


@dataclass(frozen=True, slots=True)
class Lane:
    """An account and the carriers whose parcels are asked for through it."""

    account: CarrierAccount
    carriers: tuple[str, ...]


def lanes(*, merchant_id: int | None = None) -> list[Lane]:
    """Which account asks for which parcels, of all merchants or of one: the carrier's own account, else the
    aggregator's. Of several alike the oldest counts."""
    accounts = CarrierAccount.objects.filter(is_active=True, carrier__in=list(registry.CARRIERS))
    if merchant_id is not None:
        accounts = accounts.filter(merchant_id=merchant_id)
    return _lanes(accounts)


def busy_lanes(now: datetime) -> list[Lane]:
    """The lanes of the merchants that have parcels to ask for at `now` (UTC): one query, whatever their number."""
    due = Shipment.objects.filter(merchant=OuterRef("merchant"), next_check_at__lte=now)
    active = CarrierAccount.objects.filter(Exists(due), is_active=True, carrier__in=list(registry.CARRIERS))
    return [lane for lane in _lanes(active) if not rests(lane.account, now)]


def _lanes(accounts: QuerySet[CarrierAccount]) -> list[Lane]:
    by_merchant: dict[int, dict[str, CarrierAccount]] = {}
    for account in accounts.order_by("id"):
        by_merchant.setdefault(account.merchant_id, {}).setdefault(account.carrier, account)
    return [lane for chosen in by_merchant.values() for lane in _lanes_of(chosen)]


def _lanes_of(accounts: Mapping[str, CarrierAccount]) -> list[Lane]:
    own = [Lane(account, (name,)) for name, account in accounts.items() if name != registry.FALLBACK]
    fallback = accounts.get(registry.FALLBACK)
    if fallback is None:
        return own
    return [*own, Lane(fallback, tuple(code for code, _name in CARRIERS if code not in accounts))]


def lane_for(merchant_id: int, carrier: str) -> Lane | None:
    """The lane of one parcel; None when nobody can be asked."""
    return next((lane for lane in lanes(merchant_id=merchant_id) if carrier in lane.carriers), None)


def floor_of(account: CarrierAccount) -> timedelta:
    """The least time between two questions about one parcel; needs no secret."""
    keys = CarrierKeys(carrier=account.carrier, slug=account.slug, config=account.config, secrets={})
    return timedelta(seconds=registry.get_carrier(account.carrier).min_interval_seconds(keys))


def floors(merchant_id: int) -> dict[str, timedelta]:
    """Carrier → floor, for the carriers that somebody can be asked about: one query."""
    return {code: floor_of(lane.account) for lane in lanes(merchant_id=merchant_id) for code in lane.carriers}


def rests(account: CarrierAccount, now: datetime) -> bool:
    """Whether the account's breaker is open: it failed so often that nobody asks through it for a while."""
    return account.resting_until is not None and account.resting_until > now
