"""The throttle of payment accounts, shared by polling and refunds, and how long an account's queue will take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from ordersite.database.skip_locked import claim_rows
from ordersite.outside_accounts.throttle import Lease, Throttle
from payments.models import Payment, PaymentAccount

WORKERS = 8
CALLS_PER_SECOND = 20
# No account takes more than half of the workers, however silent it is. The lease is longer than the longest set of
# calls: up to three, one after another, of at most 20 s each.
PROVIDERS = Throttle(
    accounts=PaymentAccount,
    lease=timedelta(seconds=75),
    calls_at_once=WORKERS // 2,
    calls_per_second=CALLS_PER_SECOND,
)


@dataclass(frozen=True, slots=True)
class Wait:
    """How long an account's queue will take: `waiting` payments are due, about `seconds` for all of them.

    `open_until` (UTC) is set while the circuit is open.
    """

    waiting: int
    seconds: int
    failures_in_a_row: int
    open_until: datetime | None


def accounts_to_query(*, before: datetime) -> list[PaymentAccount]:
    """Accounts that may be called before this time (UTC) and have a payment to query now, longest waiting first.

    Disabled ones too: an attempt made while the account was active may still be paid.
    """
    due = Payment.objects.due(timezone.now()).filter(account=OuterRef("pk"))
    return PROVIDERS.ready(due, before=before)


def claim_payments(lease: Lease[PaymentAccount]) -> list[Payment]:
    """Claim up to `lease.size` due payments; `next_query_at` holds the lease while the query lasts."""
    due = Payment.objects.due(lease.taken_at).filter(account=lease.account)
    claimed = claim_rows(
        due.order_by("next_query_at"),
        limit=lease.size,
        values={
            "next_query_at": lease.until,
            "last_query_at": lease.taken_at,
            "queries": F("queries") + 1,
        },
    )
    payments = Payment.objects.filter(pk__in=[pk for (pk,) in claimed])
    return list(payments.select_related("account").order_by("pk"))


def waits_of(account_ids: Sequence[int]) -> dict[int, Wait]:
    """How long the queue of each account will take for what is due now. One query.

    It counts by the index of what is due: a join would read every payment that there ever was.
    """
    due = Payment.objects.due(timezone.now()).filter(account=OuterRef("pk")).order_by()
    waiting = Subquery(due.values("account").annotate(number=Count("pk")).values("number"))
    accounts = PaymentAccount.objects.filter(pk__in=account_ids).annotate(waiting=Coalesce(waiting, 0))
    return {account.pk: _wait(account, account.waiting) for account in accounts}


def _wait(account: PaymentAccount, waiting: int) -> Wait:
    seconds = math.ceil(waiting / CALLS_PER_SECOND)
    open_until = account.circuit_open_until
    if open_until:
        seconds += math.ceil((open_until - timezone.now()).total_seconds())
    return Wait(waiting, seconds, account.failures_in_a_row, open_until)
