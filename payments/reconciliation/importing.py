"""Import a bill file: store it, claim it with a lease, read it into a staging table, match it in one transaction.

When a worker dies, its lease runs out and another worker reads the file again from the start. During the matching, the
row lock takes the place of the lease.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import IO

from django.contrib.auth.models import User
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from ordersite.lib.china_time import BEIJING
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.lib.money import yuan
from ordersite.lib.tracebacks import brief
from ordersite.queue import claims, wakeups
from payments.models import PaymentAccount, Statement, StatementMapping
from payments.reconciliation import approval, matching, settle, staging
from payments.reconciliation.readers.base import CURRENCY, PAYMENT, REFUND, BillLine, Brief, whole_days
from payments.reconciliation.readers.containers import MAX_BYTES, OpenedBill, opened
from payments.reconciliation.readers.registry import MAPPED, form_of, lines_of
from payments.reconciliation.refusals import Refused, message_of
from payments.reconciliation.staging import Stage

TASK = "payments.import_statements"
KINDS = ("csv", "zip", "xlsx", "xls", "gz")
CHUNK = 10_000
MOST_ATTEMPTS = 4
_RETRY_AFTER = timedelta(seconds=30)

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The lease ran out and another worker has claimed the statement; this reading is discarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file comes from. `day` (Beijing) is set for a fetched bill."""

    source: Statement.Source
    file_name: str
    user: User | None = None
    mapping: StatementMapping | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A stored file. `is_new` is False when this account imported the same content before by the same mapping."""

    statement: Statement
    is_new: bool


class _Hashing:
    """A stream that computes its SHA-256 and size while it is read."""

    def __init__(self, stream: private.Readable) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self._stream.read(size)
        self.digest.update(piece)
        self.size += len(piece)
        return piece


def take_in(account: PaymentAccount, stream: private.Readable, origin: Origin) -> Taken:
    """Store a file with its waiting statement, or return the statement that has the same content, read in the same way.

    A file of an unknown kind becomes a refused statement. A command's statement is leased to it from the start. Raises
    `DomainError` (file_too_large, file_empty).
    """
    hashing, refusal, name = _Hashing(stream), {}, ""
    try:
        name = private.save(hashing, limit=MAX_BYTES, kinds=KINDS)
    except DomainError as error:
        if error.code != "file_kind_refused":
            raise
        refusal = Refused("unknown_form").as_dict()
    statement = _row(account, origin, hashing)
    statement.stored_name = name
    if refusal:
        statement.begin()
        statement.refuse(refusal)
    return _keep(statement)


def _row(account: PaymentAccount, origin: Origin, hashing: _Hashing) -> Statement:
    statement = Statement(
        account=account,
        mapping=origin.mapping,
        file_name=origin.file_name[:255],
        sha256=hashing.digest.hexdigest(),
        reading=origin.mapping.digest() if origin.mapping else "",
        size=hashing.size,
        source=origin.source,
        day=origin.day,
        created_by=origin.user,
    )
    if origin.source == Statement.Source.COMMAND:
        statement.attempts, statement.leased_until = 1, timezone.now() + Statement.lease
    return statement


def _keep(statement: Statement) -> Taken:
    try:
        with transaction.atomic():
            statement.save(force_insert=True)
    except IntegrityError:
        if statement.stored_name:
            private.remove(statement.stored_name)
        known = Statement.objects.standing().filter(account=statement.account, sha256=statement.sha256)
        return Taken(known.get(reading=statement.reading), is_new=False)
    transaction.on_commit(lambda: wakeups.wake(TASK))
    return Taken(statement, is_new=True)


def import_statements() -> None:
    """Read and match all waiting statements, one after another."""
    for batch in claims.walk(Statement, size=1):
        for claim in batch:
            run(claim)


def run(claim: claims.Claim, *, report: Callable[[Statement], None] | None = None) -> None:
    """Read and match one claimed statement; `report` is called after each chunk. Errors are kept on the row."""
    statement = Statement.objects.select_related("account", "mapping").get(pk=claim.id)
    try:
        Import(statement, claim.attempts, report or _silent).run()
    except LeaseLost:
        logger.warning("statement %s was taken over", claim.id)
    except Refused as refused:
        _refuse(statement, claim, refused)
    except Exception as error:  # stored on the row; the next worker retries
        logger.exception("statement %s failed", claim.id)
        _postpone(statement, claim, error)


def _silent(_statement: Statement) -> None:
    """Report nothing."""


def _refuse(statement: Statement, claim: claims.Claim, refused: Refused) -> None:
    """Mark the statement as refused, with the reason and no lines; open a case for a fetched bill."""
    with transaction.atomic():
        mine = _lock(statement.pk, claim.attempts)
        mine.begin()
        mine.lines_read = 0
        mine.form = statement.form
        mine.refuse(refused.as_dict())
        mine.save()
        if mine.source == Statement.Source.FETCH:
            settle.open_refused_case(mine, message_of(mine.refusal))


def _postpone(statement: Statement, claim: claims.Claim, error: Exception) -> None:
    if claim.attempts >= MOST_ATTEMPTS:
        problem = error.__class__.__name__
        _refuse(statement, claim, Refused("failed", attempts=claim.attempts, problem=problem))
        return
    now = timezone.now()
    Statement.objects.filter(pk=statement.pk, attempts=claim.attempts).update(
        leased_until=None, due_at=now + _RETRY_AFTER * claim.attempts, last_error=brief(error)[:500]
    )


def _lock(pk: int, attempts: int) -> Statement:
    """Lock the statement if this claim still stands, so that nobody else can claim it. Raises `LeaseLost`."""
    rows = Statement.objects.claimed(pk, attempts).select_for_update(no_key=True)
    statement = rows.first()
    if statement is None:
        raise LeaseLost
    return statement


class Import:
    """One attempt to read one file."""

    def __init__(self, statement: Statement, attempts: int, report: Callable[[Statement], None]) -> None:
        self.statement, self.attempts, self.report = statement, attempts, report
        self.fen = {PAYMENT: 0, REFUND: 0}
        self.source: OpenedBill | None = None
        self.first: datetime | None = None
        self.last: datetime | None = None

    def run(self) -> None:
        """Read and match the file. Raises `Refused`, `LeaseLost`."""
        if self.attempts > MOST_ATTEMPTS:
            raise Refused("failed", attempts=self.attempts - 1, problem=self.statement.last_error)
        self._begin()
        with staging.stage(self.statement.pk, self.attempts) as staged:
            brief = self._read(staged)
            self._set_period(brief)
            staging.analyze()
            self._match()

    def _begin(self) -> None:
        with transaction.atomic():
            mine = _lock(self.statement.pk, self.attempts)
            mine.begin()
            mine.save(update_fields=["status", "progress", "lines_read", "lines_total"])
        self.statement.lines_read = 0

    def _read(self, staged: Stage) -> Brief:
        statement = self.statement
        brief = Brief(
            config=statement.account.config, file_name=statement.file_name, day=_midnight(statement.day)
        )
        with self._refused_if_it_fails(), self._file() as raw, opened(raw, statement.stored_name) as source:
            self.source = source
            statement.form = form_of(source) or MAPPED
            self._check_form()
            lines = lines_of(source, brief, statement.mapping)
            while chunk := list(islice(lines, CHUNK)):
                self._take(staged, chunk)
                self._report_progress(source)
        return brief

    @contextmanager
    def _refused_if_it_fails(self) -> Iterator[None]:
        """Refuse a file that makes its reader fail, and name the line: the same bytes would make it fail again.

        Trouble of the machine (database, disk, memory) is none of the file's and is left to be tried again.
        """
        try:
            yield
        except (Refused, LeaseLost, OperationalError, InterfaceError, OSError, MemoryError):
            raise
        except Exception as error:
            logger.exception("reader failed", extra={"statement": self.statement.pk})
            line = self.source.line if self.source else 0
            raise Refused("reader_failed", line=line, problem=type(error).__name__) from error

    @contextmanager
    def _file(self) -> Iterator[IO[bytes]]:
        """Open the stored file, which has to be the one that was handed in. Raises `Refused` (lost)."""
        with ExitStack() as stack:
            try:
                raw = stack.enter_context(private.local(self.statement.stored_name))
            except FileNotFoundError as error:
                raise Refused("lost") from error
            if hashlib.file_digest(raw, "sha256").hexdigest() != self.statement.sha256:  # type: ignore[arg-type]
                raise Refused("lost")
            raw.seek(0)
            yield raw

    def _check_form(self) -> None:
        """Refuse a provider's bill for an account of another provider; a mapped file fits any account."""
        form, provider = self.statement.form, self.statement.account.provider
        if form not in (MAPPED, provider):
            raise Refused("wrong_form", form=form, provider=provider)

    def _take(self, staged: Stage, chunk: list[BillLine]) -> None:
        staging.add(staged.rows(chunk))
        self.statement.lines_read += len(chunk)
        for kind in (PAYMENT, REFUND):
            self.fen[kind] += sum(line.fen for line in chunk if line.kind == kind and line.note != CURRENCY)
        times = [line.occurred_at for line in chunk if line.occurred_at]
        if times:
            self.first = min(times) if self.first is None else min(self.first, *times)
            self.last = max(times) if self.last is None else max(self.last, *times)

    def _report_progress(self, source: OpenedBill) -> None:
        """Save the progress and extend the lease. Raises `LeaseLost`."""
        self.statement.progress = min(int(source.consumed() * 90), 90)
        mine = Statement.objects.claimed(self.statement.pk, self.attempts)
        if not mine.update(
            lines_read=self.statement.lines_read,
            progress=self.statement.progress,
            leased_until=timezone.now() + Statement.lease,
        ):
            raise LeaseLost
        self.report(self.statement)

    def _set_period(self, brief: Brief) -> None:
        """Set the period from the file's own header, else the requested day, else the days of its lines."""
        statement = self.statement
        if not brief.covers_payments:
            return
        if brief.period_from and brief.period_to:
            statement.period_from, statement.period_to = brief.period_from, brief.period_to
        elif day := _midnight(statement.day):
            statement.period_from, statement.period_to = whole_days(day, day)
        elif self.first and self.last:
            statement.period_from, statement.period_to = whole_days(self.first, self.last)

    def _match(self) -> None:
        with transaction.atomic():
            mine = _lock(self.statement.pk, self.attempts)
            mine.form = self.statement.form
            mine.period_from, mine.period_to = self.statement.period_from, self.statement.period_to
            mine.lines_read = mine.lines_total = self.statement.lines_read
            mine.payments_amount, mine.refunds_amount = yuan(self.fen[PAYMENT]), yuan(self.fen[REFUND])
            matching.match(mine)
            mine.match()
            mine.last_error = ""  # from here on it tells of the settlement
            mine.save()
            approval.offer(mine)
            if mine.source == Statement.Source.FETCH:
                # Nobody watches a fetched bill, so its differences open cases at once.
                settle.raise_cases(mine)
        self.statement = mine
        self.report(mine)


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING) if day else None
