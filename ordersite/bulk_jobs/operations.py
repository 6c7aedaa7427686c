"""What a bulk job can do: an operation names its right, what it does to one row, and the words of its results.

The assembled table stands in `ordersite.admin.bulk_operations`; a list of the back office offers operations by `desk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.bulk_jobs.models import BulkJob, BulkRow, RowResult

MOST_ROWS = 20_000
NOT_FOUND, NOT_PERMITTED, STOPPED, FAULT, DIED = "not_found", "not_permitted", "stopped", "fault", "died"
# The words of what the runner itself says of a row.
_WORDS: Mapping[str, Promise] = {
    NOT_FOUND: _("There is nothing with this number."),
    NOT_PERMITTED: _("Whoever started it may do this no longer."),
    STOPPED: _("Stopped before this row."),
    FAULT: _("An error of the program; it is in the log."),
    DIED: _("The process died at this row each time."),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is done to one row: its key and the number by which people know it. No key: it fails with `code`."""

    pk: int | None
    name: str
    code: str = NOT_FOUND


@dataclass(frozen=True, slots=True)
class RowTask:
    """One row to do: in whose name, and the reason that was given."""

    subject_id: int
    username: str
    reason: str

    @property
    def person(self) -> User:
        """Who started the job. Raises `User.DoesNotExist`."""
        return User.objects.get(username=self.username)


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """Done or skipped; the code says what was done, or why nothing was. What fails raises `DomainError`."""

    result: RowResult
    code: str = ""


DONE = RowOutcome(RowResult.DONE)


def skipped(code: str) -> RowOutcome:
    return RowOutcome(RowResult.SKIPPED, code)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `run` does one row inside the transaction that also records its result, so it calls no outside.

    `before` is for what a transaction must not wait for, such as reading files; it changes nothing, for it may be done
    twice. Both raise `DomainError` for a refusal, whose words the row keeps. `find` gives the subjects of pasted numbers in
    order. `finish` makes a file of the rows that are done, outside of transactions, and returns its stored name;
    it may mark rows as failed. `row_page` is the admin page of a subject. `words` are those of its codes.
    """

    key: str
    label: str | Promise
    explain: str | Promise
    permission: str
    run: Callable[[RowTask], RowOutcome]
    find: Callable[[Sequence[str]], Iterable[Subject]]
    row_page: str
    words: Mapping[str, str | Promise] = field(default_factory=dict)
    before: Callable[[RowTask], None] | None = None
    needs_reason: bool = False
    most: int = MOST_ROWS
    finish: Callable[[BulkJob], str] | None = None
    file_name: str = ""

    def may_start(self, user: Any) -> bool:
        return bool(user.is_active and user.is_staff and user.has_perm(self.permission))

    def words_of(self, row: BulkRow) -> str:
        """Why a row was skipped or failed, in the reader's language where its code is known."""
        return str(self.words.get(row.code) or _WORDS.get(row.code) or row.words)

    def problem_of(self, job: BulkJob) -> str:
        """Why there is no file; empty where there is one, or is to be none."""
        code = job.file_problem
        return str(self.words.get(code) or _WORDS.get(code) or code)


Operations = Mapping[str, Operation]


def table_of(operations: Iterable[Operation]) -> Operations:
    return {one.key: one for one in operations}


def pair_up(numbers: Sequence[str], found: Mapping[str, Sequence[int]]) -> Iterable[Subject]:
    """The subjects of pasted numbers, in their order, each once; a number without one is a row that fails."""
    seen = set[int]()
    for number in numbers:
        keys = found.get(number, ())
        if not keys:
            yield Subject(None, number)
        for pk in keys:
            if pk not in seen:
                seen.add(pk)
                yield Subject(pk, number)
