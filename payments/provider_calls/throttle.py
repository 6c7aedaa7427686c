"""The lane to each provider account: whose turn it is, how fast, and when it rests.

An account's `resting_until` paces it over all processes: a turn is taken by moving it into the future with a guarded
UPDATE, so one process at a time calls an account, and a process that dies holding a turn is overtaken after
TURN_LEASE. The same column holds the rest after failures in a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Exists, F, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from payments.models import Payment, PaymentAccount

WORKERS = 8
# No account takes more than half of the workers, however silent it is.
TURN_SIZE = WORKERS // 2
PAYMENTS_PER_SECOND = 20
# Longer than the longest turn: up to three calls of at most 20 s each.
TURN_LEASE = timedelta(seconds=75)
BREAKS_AFTER = 5
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Hold:
    """An account for one process alone until `lease` (UTC), whatever it is called for."""

    account: PaymentAccount
    began_at: datetime
    lease: datetime

    @property
    def size(self) -> int:
        """How many calls may go out together; one while the account is on trial after a rest."""
        return TURN_SIZE if self.account.failures_in_a_row < BREAKS_AFTER else 1


@dataclass(frozen=True, slots=True)
class Wait:
    """How long an account's lane will take: `waiting` payments are due, about `seconds` for all of them."""

    waiting: int
    seconds: int
    failures_in_a_row: int
    resting_until: datetime | None


def due_accounts(*, before: datetime) -> list[PaymentAccount]:
    """Accounts that may be called before this time (UTC) and have a payment to ask now, longest waiting first.

    Disabled ones too: an attempt made while the account was active may still be paid.
    """
    due = Payment.objects.filter(account=OuterRef("pk"), next_query_at__lte=timezone.now())
    return accounts_with(due, before=before)


def accounts_with(due: QuerySet[Model], *, before: datetime) -> list[PaymentAccount]:
    """Accounts that may be called before this time (UTC) and have such a row, longest waiting first."""
    accounts = PaymentAccount.objects.filter(_free(before)).filter(Exists(due))
    return list(accounts.order_by(F("resting_until").asc(nulls_first=True), "pk"))


def _free(at: datetime) -> Q:
    return Q(resting_until__isnull=True) | Q(resting_until__lte=at)


def hold(account: PaymentAccount) -> Hold | None:
    """The account for this process alone; None when another process was faster. `give_back` ends it."""
    now = timezone.now()
    lease = now + TURN_LEASE
    if not PaymentAccount.objects.filter(_free(now), pk=account.pk).update(resting_until=lease):
        return None
    return Hold(account, now, lease)


def claim(held: Hold) -> list[Payment]:
    """Up to `held.size` due payments, whose lease stands in them while the turn lasts.

    Materialized: as a plain subquery PostgreSQL may run it again for every row, and claim more than LIMIT rows.
    """
    table = connection.ops.quote_name(Payment._meta.db_table)
    skip = " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    sql = (
        f"WITH picked AS MATERIALIZED (SELECT id FROM {table} WHERE account_id = %s AND next_query_at <= %s "  # noqa: S608
        f"ORDER BY next_query_at LIMIT %s{skip}) "
        f"UPDATE {table} SET next_query_at = %s, last_asked_at = %s, queries = queries + 1 "
        "WHERE id IN (SELECT id FROM picked) RETURNING id"
    )
    moment, until = (connection.ops.adapt_datetimefield_value(at) for at in (held.began_at, held.lease))
    with connection.cursor() as cursor:
        cursor.execute(sql, [held.account.pk, moment, held.size, until, moment])
        ids = [row[0] for row in cursor.fetchall()]
    return list(Payment.objects.filter(pk__in=ids).select_related("account").order_by("pk"))


def give_back(held: Hold, outages: Sequence[bool]) -> None:
    """Pace the next turn by the number of calls, or let the account rest where too many in a row have failed."""
    failures = note_calls(held.account.pk, outages)
    pace = held.began_at + timedelta(seconds=len(outages) / PAYMENTS_PER_SECOND)
    free_at = timezone.now() + rest_after(failures) if failures >= BREAKS_AFTER else pace
    PaymentAccount.objects.filter(pk=held.account.pk, resting_until=held.lease).update(resting_until=free_at)


def note_calls(account_id: int, outages: Sequence[bool]) -> int:
    """Count calls that failed in a row, one that worked sets the count back; returns the count."""
    account = PaymentAccount.objects.filter(pk=account_id)
    if outages and all(outages):
        account.update(failures_in_a_row=F("failures_in_a_row") + len(outages))
    elif outages:
        account.exclude(failures_in_a_row=0).update(failures_in_a_row=0)
    return account.values_list("failures_in_a_row", flat=True).get()


def rest_if_failing(account_id: int, failures: int) -> None:
    """For calls made out of turn: let the account rest after too many failures, unless a turn or a rest is on."""
    if failures >= BREAKS_AFTER:
        now = timezone.now()
        account = PaymentAccount.objects.filter(_free(now), pk=account_id)
        account.update(resting_until=now + rest_after(failures))


def rest_after(failures: int) -> timedelta:
    """30 seconds after BREAKS_AFTER failures in a row, doubling with each further one up to 10 minutes."""
    doublings = min(max(failures - BREAKS_AFTER, 0), 10)
    return min(FIRST_REST * 2**doublings, LONGEST_REST)


def try_now(account: PaymentAccount) -> None:
    """End a rest: the account is on trial with one question. A turn that is on is left alone."""
    now = timezone.now()
    resting = PaymentAccount.objects.filter(pk=account.pk, failures_in_a_row__gte=BREAKS_AFTER)
    resting.filter(resting_until=account.resting_until).update(resting_until=now)


def is_resting(account: PaymentAccount) -> bool:
    """Whether nobody should call the account now because its last calls failed."""
    return (
        account.failures_in_a_row >= BREAKS_AFTER
        and account.resting_until is not None
        and account.resting_until > timezone.now()
    )


def waits(account_ids: Sequence[int]) -> dict[int, Wait]:
    """How long the lane of each account will take for what is due now. One query."""
    due = Count("payment", filter=Q(payment__next_query_at__lte=timezone.now()))
    accounts = PaymentAccount.objects.filter(pk__in=account_ids).annotate(waiting=due)
    return {account.pk: _wait(account, account.waiting) for account in accounts}


def _wait(account: PaymentAccount, waiting: int) -> Wait:
    seconds = math.ceil(waiting / PAYMENTS_PER_SECOND)
    rests_until = account.resting_until if is_resting(account) else None
    if rests_until:
        seconds += math.ceil((rests_until - timezone.now()).total_seconds())
    return Wait(waiting, seconds, account.failures_in_a_row, rests_until)
