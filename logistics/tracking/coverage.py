"""Finds the account through which each carrier's parcels are polled, and how often it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from logistics.accounts import IMPORTANT_MINUTES, MAX_PARALLEL
from logistics.carriers import registry
from logistics.carriers.types import CarrierKeys
from logistics.models import CARRIERS, CarrierAccount, Shipment


@dataclass(frozen=True, slots=True)
class Coverage:
    """An account and the carriers whose parcels are polled through it."""

    account: CarrierAccount
    carriers: tuple[str, ...]


def coverages(*, merchant_id: int | None = None) -> list[Coverage]:
    """The accounts of all merchants or of one, and what each is used for.

    A carrier's own account goes before the aggregator's, and an older account before a newer one of the same kind.
    """
    accounts = CarrierAccount.objects.filter(is_active=True, carrier__in=list(registry.CARRIERS))
    if merchant_id is not None:
        accounts = accounts.filter(merchant_id=merchant_id)
    return _coverages(accounts)


def coverages_with_due(now: datetime) -> list[Coverage]:
    """The callable accounts of the merchants that have parcels due at `now` (UTC). One query."""
    due = Shipment.objects.filter(merchant=OuterRef("merchant"), next_check_at__lte=now)
    active = CarrierAccount.objects.filter(Exists(due), is_active=True, carrier__in=list(registry.CARRIERS))
    return [one for one in _coverages(active) if not one.account.is_circuit_open]


def coverages_to_watch() -> list[Coverage]:
    """Every account through which parcels are polled, then the disabled ones through which they would be. Two queries."""
    known = CarrierAccount.objects.filter(carrier__in=list(registry.CARRIERS))
    found = coverages()
    covered = {(one.account.merchant_id, carrier) for one in found for carrier in one.carriers}
    for account in known.filter(is_active=False).order_by("id"):
        names = (
            [code for code, _name in CARRIERS] if account.carrier == registry.FALLBACK else [account.carrier]
        )
        left = tuple(name for name in names if (account.merchant_id, name) not in covered)
        covered |= {(account.merchant_id, name) for name in left}
        found += [Coverage(account, left)] if left else []
    return found


def _coverages(accounts: QuerySet[CarrierAccount]) -> list[Coverage]:
    by_merchant: dict[int, dict[str, CarrierAccount]] = {}
    for account in accounts.order_by("id"):
        by_merchant.setdefault(account.merchant_id, {}).setdefault(account.carrier, account)
    return [one for chosen in by_merchant.values() for one in _coverages_of(chosen)]


def _coverages_of(accounts: Mapping[str, CarrierAccount]) -> list[Coverage]:
    own = [Coverage(account, (name,)) for name, account in accounts.items() if name != registry.FALLBACK]
    fallback = accounts.get(registry.FALLBACK)
    if fallback is None:
        return own
    return [*own, Coverage(fallback, tuple(code for code, _name in CARRIERS if code not in accounts))]


def coverage_of(merchant_id: int, carrier: str) -> Coverage | None:
    """The coverage of this carrier's parcels; None when no account can poll them."""
    return next((one for one in coverages(merchant_id=merchant_id) if carrier in one.carriers), None)


def floor_of(account: CarrierAccount) -> timedelta:
    """The least time between two queries about one parcel; needs no secret."""
    return timedelta(
        seconds=registry.get_carrier(account.carrier).min_interval_seconds(_public_keys(account))
    )


def cap_of(account: CarrierAccount) -> int | None:
    """How many queries of one parcel are answered in 24 hours; None: no cap."""
    return registry.get_carrier(account.carrier).most_queries_a_day(_public_keys(account))


def limit_of(account: CarrierAccount) -> int | None:
    """How many queries a second the account takes; None: one after another."""
    return registry.get_carrier(account.carrier).most_queries_a_second(_public_keys(account))


def pollers_limit(account: CarrierAccount) -> int | None:
    """The share of the limit that is the pollers': one query a second is left to people, unless there is only one."""
    limit = limit_of(account)
    return None if limit is None else max(limit - 1, 1)


def parallel_of(account: CarrierAccount) -> int | None:
    """How many calls the merchant lets be on their way at once; None: as many as the limit of a second needs."""
    value = str(account.config.get(MAX_PARALLEL) or "")
    return int(value) if value else None


def important_rhythm(account: CarrierAccount) -> timedelta | None:
    """How often the merchant has important buyers' parcels polled; None: as often as all others."""
    value = str(account.config.get(IMPORTANT_MINUTES) or "")
    return timedelta(minutes=int(value)) if value else None


def _public_keys(account: CarrierAccount) -> CarrierKeys:
    return CarrierKeys(carrier=account.carrier, slug=account.slug, config=account.config, secrets={})


def floors_by_carrier(merchant_id: int) -> dict[str, timedelta]:
    """The floor of each carrier whose parcels can be polled. One query."""
    return {
        code: floor_of(one.account) for one in coverages(merchant_id=merchant_id) for code in one.carriers
    }
