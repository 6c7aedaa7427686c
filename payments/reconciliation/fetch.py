"""Fetch yesterday's bill (Beijing) of every active account whose provider has bills, daily from 10:00 on.

A bill that is not ready, or whose fetching fails in whatever way, is retried with growing backoff for four days and is a
case after that. After a standstill all days in between are fetched, as far back as providers keep them. A fetched bill is
matched automatically and settled only by a person.
"""

from __future__ import annotations

import logging
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from ordersite.lib.china_time import BEIJING
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError, OutsideError
from ordersite.lib.files import private
from ordersite.lib.http import DOWNLOAD_SECONDS, TOTAL_SECONDS, Gateway
from ordersite.lib.tracebacks import brief
from ordersite.queue.wakeups import wake
from payments.accounts.keys import keys_of
from payments.cases.open import Case, fact_key, open_cases
from payments.models import BillFetch, Payment, PaymentAccount, PaymentException, Statement
from payments.models.payment import SETTLED
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys, BillResult, BillState
from payments.reconciliation import importing

TASK = "payments.fetch_bills"
# Alipay and WeChat Pay both promise the bill of a day for ten o'clock of the next.
READY_HOUR = 10
# Days that are fetched of an account whose bills were never fetched before.
DAYS_BACK = 3
# WeChat Pay keeps its bills for three months, Alipay for longer.
MOST_DAYS_BACK = 89
GIVE_UP_AFTER = timedelta(days=4)
_GAPS = (timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2))
# Longer than the longest fetch: a request, the download, and reading the file in.
_LEASE = timedelta(seconds=TOTAL_SECONDS + DOWNLOAD_SECONDS, minutes=10)
# An old day that is caught up deserves several attempts before it is given up.
_LEAST_ATTEMPTS = len(_GAPS)
_GATEWAY = Gateway()

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of one attempt: the bill's state, its statement, or the `problem`."""

    state: BillState
    statement: Statement | None = None
    problem: str = ""


def fetch_bills() -> int:
    """Plan today's bills and fetch those that are due; return how many were requested."""
    plan(timezone.now())
    due = BillFetch.objects.due(timezone.now()).select_related("account")
    return sum(_try_alone(fetch) for fetch in due.order_by("next_at")[:50])


def _try_alone(fetch: BillFetch) -> bool:
    """Try one bill; whatever goes wrong, the bills behind it are fetched in the same run."""
    try:
        return _try(fetch, least_attempts=_LEAST_ATTEMPTS)
    except Exception:  # its lease runs out, then it is tried again
        logger.exception("bill not recorded", extra={"bill": fetch.pk})
        return False


def fetch_days(account: PaymentAccount, days: Iterable[date]) -> list[BillFetch]:
    """Fetch the bills of these days (Beijing) now, even if they were fetched before; return their rows by day.

    The daily fetch retries a bill that is not ready. Returns [] for an account whose provider has no bills.
    """
    keys = _usable_keys(account)
    if keys is None or not get_provider(account.provider).can_bill(keys):
        return []
    rows = []
    for day in sorted(set(days)):
        values = {"state": BillFetch.State.WAITING, "attempts": 0, "next_at": timezone.now()}
        row, _made = BillFetch.objects.update_or_create(account=account, day=day, defaults=values)
        _try(row)
        row.refresh_from_db()
        rows.append(row)
    return rows


def fetch_soon(fetch: BillFetch) -> bool:
    """Make the bill due now, even if it was fetched before; False for an account whose provider has no bills.

    A download takes minutes where the provider is slow: that is a worker's business.
    """
    if not _can_bill(fetch.account):
        return False
    columns = {"state": BillFetch.State.WAITING, "attempts": 0, "next_at": timezone.now()}
    BillFetch.objects.filter(pk=fetch.pk).update(**columns)
    wake(TASK)
    return True


def plan(now: datetime) -> None:
    """Create a row for each active account and each of the last days whose bill should be ready."""
    local = now.astimezone(BEIJING)
    newest = local.date() - timedelta(days=1 if local.hour >= READY_HOUR else 2)
    known: dict[int, set[date]] = defaultdict(set)
    for account_id, day in BillFetch.objects.filter(day__lte=newest).values_list("account_id", "day"):
        known[account_id].add(day)
    rows = [
        BillFetch(account=account, day=day)
        for account in PaymentAccount.objects.active().order_by("pk")
        for day in _days(account, newest, known[account.pk])
        if _can_bill(account)
    ]
    BillFetch.objects.bulk_create(rows, ignore_conflicts=True)


def _days(account: PaymentAccount, newest: date, known: Set[date]) -> list[date]:
    """Return the days to plan, newest first: the last ones, and every gap since the first that was ever planned."""
    first = min({newest - timedelta(days=DAYS_BACK - 1), *known})
    first = max(first, account.created_at.astimezone(BEIJING).date())
    back = min((newest - first).days + 1, MOST_DAYS_BACK)
    days = (newest - timedelta(days=number) for number in range(back))
    return [day for day in days if day not in known]


def _can_bill(account: PaymentAccount) -> bool:
    keys = _usable_keys(account)
    return keys is not None and get_provider(account.provider).can_bill(keys)


def _usable_keys(account: PaymentAccount) -> AccountKeys | None:
    try:
        return keys_of(account)
    except (CannotDecrypt, ValueError):
        logger.warning("account unusable", extra={"account": account.slug})
        return None


def _try(fetch: BillFetch, *, least_attempts: int = 1) -> bool:
    """Claim a bill with a guarded UPDATE and fetch it; return False when another worker has it.

    A day that is past GIVE_UP_AFTER is given up once it was tried `least_attempts` times.
    """
    now = timezone.now()
    mine = BillFetch.objects.filter(pk=fetch.pk, next_at=fetch.next_at)
    if not mine.update(next_at=now + _LEASE, attempts=fetch.attempts + 1):
        return False
    fetch.attempts += 1
    can_give_up = fetch.attempts >= least_attempts and _is_too_late(fetch.day, now)
    _record(fetch, _fetch(fetch.account, fetch.day), now, can_give_up=can_give_up)
    return True


def _fetch(account: PaymentAccount, day: date) -> Fetched:
    """Fetch one bill; every failure becomes its `problem`, a fault of ours like one of the provider's."""
    try:
        return _fetch_with_keys(account, day)
    except (OutsideError, DomainError, OSError) as error:
        return Fetched(BillState.NOT_READY, problem=str(error))
    except Exception as error:
        logger.exception("bill not fetched", extra={"account": account.slug, "bill_of": str(day)})
        return Fetched(BillState.NOT_READY, problem=f"adapter_failed: {brief(error)}")


def _fetch_with_keys(account: PaymentAccount, day: date) -> Fetched:
    keys = _usable_keys(account)
    if keys is None:
        return Fetched(BillState.NOT_READY, problem="cannot_decrypt")
    with tempfile.TemporaryDirectory(dir=private.drafts()) as folder:
        target = Path(folder) / "bill"
        answer = get_provider(account.provider).fetch_bill(day, keys, _GATEWAY, target)
        return _take(account, day, answer, target)


def _take(account: PaymentAccount, day: date, answer: BillResult, target: Path) -> Fetched:
    if answer.state is BillState.EMPTY and _was_paid(account, day):
        return Fetched(BillState.NOT_READY, problem="bill_empty")
    if answer.state is not BillState.READY:
        return Fetched(answer.state, problem=answer.detail)
    origin = importing.Origin(
        source=Statement.Source.FETCH,
        file_name=answer.file_name or f"{account.slug}-{day}",
        day=day,
    )
    with target.open("rb") as stream:
        return Fetched(answer.state, importing.take_in(account, stream, origin).statement)


def _was_paid(account: PaymentAccount, day: date) -> bool:
    """Whether we hold a payment of this day (Beijing) that stands in no file: then the day was not without trades."""
    start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    ours = Payment.objects.filter(account=account, status__in=SETTLED)
    of_the_day = ours.filter(paid_at__gte=start, paid_at__lt=start + timedelta(days=1))
    return of_the_day.filter(statement_lines__isnull=True).exists()


def _record(fetch: BillFetch, fetched: Fetched, now: datetime, *, can_give_up: bool) -> None:
    problem = fetched.problem.replace("\0", "")[:500]
    state = BillFetch.State.WAITING
    next_at: datetime | None = now + _gap(fetch.attempts)
    if fetched.statement is not None:
        state, next_at = BillFetch.State.DONE, None
    elif fetched.state is BillState.EMPTY:
        state, next_at = BillFetch.State.EMPTY, None
    elif can_give_up:
        state, next_at = BillFetch.State.GIVEN_UP, None
    with transaction.atomic():
        BillFetch.objects.filter(pk=fetch.pk).update(
            state=state, next_at=next_at, last_error=problem, statement=fetched.statement
        )
        if state == BillFetch.State.GIVEN_UP:
            open_cases([_given_up(fetch, problem)])


def _gap(attempts: int) -> timedelta:
    return _GAPS[min(attempts, len(_GAPS)) - 1]


def _is_too_late(day: date, now: datetime) -> bool:
    return now.astimezone(BEIJING).date() - day > GIVE_UP_AFTER


def _given_up(fetch: BillFetch, problem: str) -> Case:
    return Case(
        kind=PaymentException.Kind.PROVIDER_SILENT,
        dedup_key=fact_key("bill", fetch.account_id, fetch.day),
        account_id=fetch.account_id,
        detail={"error": problem, "bill_of": str(fetch.day)},
    )
