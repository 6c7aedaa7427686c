"""A bank's own file that is handed in without a mapping waits, stored, until a person has chosen how it is read.

The same for a file that was refused, or that a wrong mapping read: it is read again from what is stored. Who handed the
file in chooses; a second person approves what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.queue import wakeups
from payments.models import PaymentAccount, Statement, StatementMapping, StatementStatus
from payments.reconciliation import importing
from payments.reconciliation.readers.containers import opened
from payments.reconciliation.readers.registry import MAPPED, form_of
from payments.reconciliation.readers.sorts import check_sort
from payments.reconciliation.refusals import Refused

# Files for which no mapping helps.
_HOPELESS = frozenset(
    {"lost", "empty", "broken_file", "encrypted", "bomb", "too_large", "wrong_form", "no_bill_inside"}
)


def take_in(account: PaymentAccount, stream: private.Readable, origin: importing.Origin) -> importing.Taken:
    """Like `importing.take_in`, but a bank's own file without a mapping waits for one, for who handed it in last."""
    with transaction.atomic():
        taken = importing.take_in(account, stream, origin)
        statement = taken.statement
        if not taken.is_new and statement.status == StatementStatus.CHOOSING:
            statement.created_by = origin.user
            statement.save(update_fields=["created_by"])
        if taken.is_new and not statement.done_at and origin.mapping is None and _needs_mapping(statement):
            statement.wait_for_mapping()
            statement.save(update_fields=["status", "done_at"])
    return taken


def _needs_mapping(statement: Statement) -> bool:
    """Whether a stored file is a bank's own: no provider's bill of any sort, and not broken."""
    try:
        with private.local(statement.stored_name) as raw, opened(raw, statement.stored_name) as source:
            if form_of(source):
                return False
            check_sort(source, has_mapping=False)
            return True
    except (Refused, FileNotFoundError):
        return False


def can_be_read(statement: Statement) -> bool:
    """Whether it may be chosen how this file is read: it is stored, a bank's own, and nobody is at work on it."""
    is_open = statement.superseded_by_id is None and not statement.is_busy
    is_hopeless = statement.refusal.get("code") in _HOPELESS
    return bool(statement.stored_name and is_open and statement.form in ("", MAPPED) and not is_hopeless)


def read_by(
    statement: Statement, mapping: StatementMapping, *, user: User, save: Callable[[StatementMapping], None]
) -> Statement:
    """Save the mapping and have the file read by it; return the statement that stands for this reading.

    A file that waits or was refused keeps its row; a reading that stands gets a new one beside it. Raises `DomainError`
    (not_yours, not_readable, and what `save` raises); nothing is changed then.
    """
    with transaction.atomic():
        mine = Statement.objects.select_for_update(no_key=True).get(pk=statement.pk)
        _check(mine, user)
        save(mapping)
        if mine.status not in (StatementStatus.CHOOSING, StatementStatus.REFUSED):
            return _read_again(mine, mapping, user)
        try:
            with transaction.atomic():
                mine.read_by(mapping, user)
                mine.save()
        except IntegrityError:
            return Statement.objects.standing().get(
                account=mine.account_id, sha256=mine.sha256, reading=mapping.digest()
            )
        transaction.on_commit(lambda: wakeups.wake(importing.TASK))
    return mine


def _check(statement: Statement, user: User) -> None:
    if not can_be_read(statement):
        raise DomainError(
            "not_readable", _("This file is being read, or was read by another mapping meanwhile.")
        )
    if statement.created_by_id not in (None, user.pk):
        text = _("%(user)s handed this file in and chooses how it is read. Hand it in yourself to do so.")
        raise DomainError("not_yours", text, user=statement.created_by)


def _read_again(statement: Statement, mapping: StatementMapping, user: User) -> Statement:
    origin = importing.Origin(
        source=Statement.Source.UPLOAD,
        file_name=statement.file_name,
        user=user,
        mapping=mapping,
        day=statement.day,
    )
    with private.open(statement.stored_name) as stream:
        return importing.take_in(statement.account, stream, origin).statement
