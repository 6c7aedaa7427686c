"""Audit entries that the application writes itself, beside those of the database triggers."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from ordersite.queue.models import AuditEntry

_LONGEST_ACTOR = 80


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """One column of one row before and after, as text that may be read by an auditor: never a secret."""

    table: str
    row_id: int
    column: str
    before: str
    after: str


def actor_of(user: AbstractUser) -> str:
    """`staff:` or `merchant:` and the name of who is logged in."""
    return f"{'staff' if user.is_staff else 'merchant'}: {user.get_username()}"


def command_actor() -> str:
    """`command:` and the operating system's user, for what is done on the server itself."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "unknown"
    return f"command:{name}"


def record(changes: Sequence[AuditedChange], *, actor: str) -> list[AuditEntry]:
    """Write an entry for each change, in the transaction of the change, and return them.

    `actor` stands where triggers name their database user.
    """
    now = timezone.now()
    return AuditEntry.objects.bulk_create(
        AuditEntry(
            table_name=change.table,
            row_id=change.row_id,
            column_name=change.column,
            old_value=change.before,
            new_value=change.after,
            database_user=actor[:_LONGEST_ACTOR],
            changed_at=now,
        )
        for change in changes
    )
