"""Puts addresses on the stop list of a shop. The address itself is not kept."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant
from ordersite.database import bulk
from ordersite.lib.errors import DomainError
from ordersite.messaging.addresses import digest_of, masked
from ordersite.messaging.models import StopListEntry

_LEAST = 5


def stop(merchant: Merchant, *, kind: str, address: str, reason: str, by: User | None) -> StopListEntry:
    """Send nothing to this address any more; doing it again changes nothing. Raises `DomainError` bad_address."""
    tidy = address.strip()
    if len(tidy) < _LEAST:
        raise DomainError("bad_address", _("This is no address."))
    entry = StopListEntry(
        merchant=merchant,
        kind=kind,
        digest=digest_of(kind, tidy),
        masked=masked(kind, tidy)[:100],
        reason=reason[:200],
        created_by=by,
        created_at=timezone.now(),
    )
    bulk.insert_rows(StopListEntry, [entry], ignore_conflicts=True)
    return StopListEntry.objects.get(merchant=merchant, digest=entry.digest)


def allow_again(entry: StopListEntry) -> None:
    """Take an address off the stop list."""
    StopListEntry.objects.filter(pk=entry.pk).delete()
