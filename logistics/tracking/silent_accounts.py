"""Finds accounts that give no usable answer: one case for the account, not one for each of its parcels.

An account is silent when it has given no usable answer for `longest_pause` although parcels waited for one. That is
found before the first of its parcels has been silent for NO_ANSWER, so that none of them becomes a case by it. The
parcels of an account that answers again are given NO_ANSWER from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from logistics import cases
from logistics.models import CarrierAccount, Shipment, ShipmentException
from logistics.tracking.coverage import Coverage, coverages_to_watch, floor_of
from logistics.tracking.intervals import poll_interval

# A carrier is silent about a parcel when it has not answered for a day.
NO_ANSWER = timedelta(hours=24)
LONGEST_PAUSE, SHORTEST_PAUSE = timedelta(hours=12), timedelta(hours=1)
# Stored in English, shown in the reader's language by `orders.labels.note_label`.
ANSWERS, NOT_NEEDED = "the account answers again", "no parcel waits for this account any more"


@dataclass(frozen=True, slots=True)
class SilentAccounts:
    """How many cases of accounts were opened and resolved. `spared`: the parcels that open no case of their own."""

    opened: int
    resolved: int
    spared: Q | None


def find_silent_accounts(now: datetime) -> SilentAccounts:
    """Open a case for each silent account and resolve those of accounts that answer again. `now` is UTC.

    A case that a person has resolved is not opened again within NO_ANSWER. Statements grow with the accounts only.
    """
    watched = coverages_to_watch()
    silent = [one for one in watched if _is_silent(one, now)]
    opened = sum(_mark_silent(one, now) for one in silent)
    resolved = _end_silence([one.account.pk for one in silent], now)
    counts_from = _counts_from(now)
    spared = [_parcels_of(one) for one in silent] + [
        _parcels_of(one) & _not_heard_since(counts_from[one.account.pk])
        for one in watched
        if one.account.pk in counts_from
    ]
    return SilentAccounts(opened, resolved, reduce(or_, spared) if spared else None)


def longest_pause(account: CarrierAccount) -> timedelta:
    """How long an account may give no answer: less than NO_ANSWER by the interval between two polls of a parcel."""
    most = NO_ANSWER - poll_interval(floor_of(account))
    return max(min(most, LONGEST_PAUSE), SHORTEST_PAUSE)


def _is_silent(coverage: Coverage, now: datetime) -> bool:
    account, pause = coverage.account, longest_pause(coverage.account)
    if (account.last_answer_at or account.changed_at) >= now - pause:
        return False
    return _waiting(coverage, since=now - pause, pause=pause).exists()


def _waiting(coverage: Coverage, *, since: datetime, pause: timedelta) -> QuerySet[Shipment]:
    """The parcels that nothing was heard of since then, though they were to be polled or were polled in vain.

    A parcel whose query was refused, or that is polled once a day only, waits for nothing yet.
    """
    parcels = Shipment.objects.under_way().filter(_parcels_of(coverage), next_check_at__isnull=False)
    unheard = parcels.annotate(last_news_at=Coalesce("last_checked_at", "created_at")).filter(
        last_news_at__lt=since
    )
    return unheard.filter(Q(next_check_at__lt=since) | Q(next_check_at__lt=F("last_poll_at") + pause))


def _parcels_of(coverage: Coverage) -> Q:
    return Q(merchant=coverage.account.merchant_id, carrier__in=coverage.carriers)


def _not_heard_since(at: datetime) -> Q:
    return Q(last_checked_at__isnull=True) | Q(last_checked_at__lt=at)


def _mark_silent(coverage: Coverage, now: datetime) -> int:
    """Open or refresh the case of a silent account; returns how many were opened."""
    account = coverage.account
    since = account.last_answer_at or account.changed_at
    detail = {
        "parcels": Shipment.objects.under_way().filter(_parcels_of(coverage)).count(),
        "silent_since": since.isoformat(),
        "problem": (account.last_problem or "not_asked") if account.is_active else "switched_off",
    }
    CarrierAccount.objects.filter(pk=account.pk, silent_since__isnull=True).update(silent_since=since)
    of_account = ShipmentException.objects.filter(account=account)
    if of_account.open().update(detail=detail):
        return 0
    if of_account.filter(resolved_by__isnull=False, resolved_at__gt=now - NO_ANSWER).exists():
        return 0
    with transaction.atomic():
        return cases.open_account_case(account, detail)


def _end_silence(silent: Sequence[int], now: datetime) -> int:
    """Resolve the cases of accounts that are silent no more; returns how many were open."""
    resolved = 0
    for account in CarrierAccount.objects.filter(silent_since__isnull=False).exclude(pk__in=silent):
        answered, silent_since = account.last_answer_at, account.silent_since
        note = ANSWERS if answered and silent_since and answered > silent_since else NOT_NEEDED
        CarrierAccount.objects.filter(pk=account.pk).update(silent_since=None, silence_counts_from=now)
        for case in ShipmentException.objects.open().filter(account=account):
            resolved += cases.resolve(case, user=None, note=note)
    return resolved


def _counts_from(now: datetime) -> dict[int, datetime]:
    """Since when the silence of an account's parcels counts, of accounts whose parcels are still to be polled since."""
    fresh = CarrierAccount.objects.filter(silence_counts_from__gt=now - NO_ANSWER)
    return {account.pk: account.silence_counts_from or now for account in fresh}
