"""Slows down whoever guesses passwords, before anything is hashed.

Failures are counted in the database, so that all processes share them and no Redis is needed: django-axes knows one limit
for one combination of name and address, not several limits with growing pauses (docs/decisions).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

from ordersite.people.hashing import TooManyHashes
from ordersite.people.models import KnownAddress, LoginFailure
from ordersite.server.client_address import sender_of

WINDOW = timedelta(minutes=15)
MOST_OF_PAIR, MOST_OF_ADDRESS, MOST_OF_NAME = 5, 30, 5
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=15)
PAUSE_OF_NAME = timedelta(seconds=2)
# How long a pause is remembered, so that the next one is longer.
REMEMBERED, KNOWN = timedelta(hours=2), timedelta(days=180)

logger = logging.getLogger(__name__)


class LoginThrottled(Exception):
    """A log-in that is refused before its password is looked at; `wait` says for how long."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"wait {wait}")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Try:
    """A log-in's name, as a digest, and the client's address; an IPv6 address counts by its /64."""

    name: str
    digest: str
    address: str

    @classmethod
    def of(cls, request: HttpRequest, name: str) -> Try:
        plain = unicodedata.normalize("NFKC", name).casefold().strip()
        digest = hmac.new(
            settings.SECRET_KEY.encode(), f"log-in {plain}".encode(), hashlib.sha256
        ).hexdigest()
        return cls(plain, digest, _network_of(sender_of(request.META, settings.TRUSTED_PROXIES)))


@contextmanager
def one_try(request: HttpRequest | None, name: str) -> Iterator[Try | None]:
    """Count a try before its password is hashed. Raises `LoginThrottled` where the caller has to wait.

    None for programs: a command has no address.
    """
    if request is None or not request.META.get("REMOTE_ADDR"):
        yield None
        return
    attempt = Try.of(request, name)
    _count(attempt)
    try:
        yield attempt
    except TooManyHashes:  # nothing was looked at, so nothing failed
        mine = LoginFailure.objects.filter(digest=attempt.digest, address=attempt.address, failures__gt=0)
        mine.update(failures=F("failures") - 1)
        raise


def note_success(attempt: Try, user: User) -> None:
    """Forget the failures of this name at this address, and remember the address for the name."""
    now = timezone.now()
    with transaction.atomic():
        LoginFailure.objects.filter(digest=attempt.digest, address=attempt.address).delete()
        KnownAddress.objects.update_or_create(user=user, address=attempt.address, defaults={"last_at": now})


def release(name: str) -> int:
    """Forget all failures of this name; return at how many addresses there were any."""
    digest = Try.of(HttpRequest(), name).digest
    return LoginFailure.objects.filter(digest=digest).delete()[0]


def forget_old() -> None:
    """Delete what no pause depends on any more."""
    now = timezone.now()
    LoginFailure.objects.filter(last_at__lt=now - REMEMBERED).delete()
    KnownAddress.objects.filter(last_at__lt=now - KNOWN).delete()


def pause_after(failures: int, most: int) -> timedelta:
    """Return the pause after so many failures: one minute, then twice as long each time, fifteen minutes at most."""
    if failures < most:
        return timedelta()
    return min(FIRST_PAUSE * 2 ** min(failures - most, 10), LONGEST_PAUSE)


def _count(attempt: Try) -> None:
    """Count the try as failed until it is known better: a burst of them finds the count. Raises `LoginThrottled`."""
    now = timezone.now()
    with transaction.atomic():
        row, is_new = LoginFailure.objects.select_for_update().get_or_create(
            digest=attempt.digest, address=attempt.address,
            defaults={"user": _person(attempt.name), "since": now, "last_at": now},
        )  # fmt: skip
        wait = _pause(attempt, row, now)
        if wait > timedelta():
            if is_new:
                row.delete()
        else:
            if row.failures < MOST_OF_PAIR and row.since < now - WINDOW:
                row.failures, row.since = 0, now
            row.failures, row.last_at = row.failures + 1, now
            row.save(update_fields=["failures", "since", "last_at"])
    if wait > timedelta():
        logger.warning("log-in refused: too many failures", extra={"address": attempt.address})
        raise LoginThrottled(wait)


def _pause(attempt: Try, row: LoginFailure, now: datetime) -> timedelta:
    pauses = [row.last_at + pause_after(row.failures, MOST_OF_PAIR) - now]
    is_known = row.user_id and KnownAddress.objects.filter(user=row.user_id, address=attempt.address).exists()
    if not is_known:
        recent = LoginFailure.objects.filter(last_at__gt=now - WINDOW).exclude(pk=row.pk)
        pauses.append(_shared(recent.filter(address=attempt.address), row, now, MOST_OF_ADDRESS))
        others = recent.filter(digest=attempt.digest)
        total, last = _sums(others, row)
        if total >= MOST_OF_NAME:
            pauses.append(last + PAUSE_OF_NAME - now)
    return max(pauses)


def _shared(others: QuerySet[LoginFailure], row: LoginFailure, now: datetime, most: int) -> timedelta:
    total, last = _sums(others, row)
    return last + pause_after(total, most) - now


def _sums(others: QuerySet[LoginFailure], row: LoginFailure) -> tuple[int, datetime]:
    found = others.aggregate(total=Sum("failures"), last=Max("last_at"))
    own_last = row.last_at if row.failures else None
    moments = [one for one in (found["last"], own_last) if one is not None]
    return (found["total"] or 0) + row.failures, max(moments, default=row.since)


def _person(name: str) -> User | None:
    return User.objects.filter(username__iexact=name).order_by("pk").first()


def _network_of(address: str) -> str:
    try:
        is_wide = isinstance(ip_address(address), IPv6Address)
    except ValueError:
        return address
    return str(ip_network(f"{address}/64", strict=False)) if is_wide else address
