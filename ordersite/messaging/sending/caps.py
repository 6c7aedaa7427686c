"""How many messages a person has got today, over each address: the shop's bound, and the vendors'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Self

from django.db.models import Count

from ordersite.messaging.models import AttemptResult, MessageAttempt

# What may have arrived.
_COUNTED = (AttemptResult.STARTED.value, AttemptResult.SENT.value, AttemptResult.UNKNOWN.value)


class SentToday:
    """The attempts of one day by address and account, with those of this batch."""

    def __init__(self, counts: Counter[tuple[str, int]]) -> None:
        self._counts = counts

    @classmethod
    def load(cls, digests: Collection[str], since: datetime) -> Self:
        """Count what went to these addresses since `since` (UTC). One query."""
        tries = MessageAttempt.objects.filter(
            recipient_digest__in=sorted(digests), at__gte=since, result__in=_COUNTED
        ).order_by()
        rows = tries.values_list("recipient_digest", "account_id").annotate(Count("id"))
        return cls(Counter({(digest, account): count for digest, account, count in rows}))

    def to(self, digest: str) -> int:
        """How many went to this address, over all accounts."""
        return sum(count for (whose, _account), count in self._counts.items() if whose == digest)

    def over(self, digest: str, account_id: int) -> int:
        """How many went to this address over this account."""
        return self._counts[digest, account_id]

    def count(self, digest: str, account_id: int) -> None:
        """Another one goes out."""
        self._counts[digest, account_id] += 1
