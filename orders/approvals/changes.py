"""Proposing a change of what moves money: the old values hold until a second person approves."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AbstractUser

from orders.approvals import workflow
from orders.approvals.change_kind import ChangeKind, Draft
from orders.approvals.setup import may_set_up_alone
from orders.models import ChangeRequest


def propose(
    kind: ChangeKind, draft: Callable[[], Draft], *, user: AbstractUser, reason: str
) -> ChangeRequest:
    """Put a change on record for a second person; during the set-up it is done at once, and marked.

    `draft` locks the row and reads it. Raises `DomainError`: not_allowed, reason_missing, nothing_changes,
    proposal_waiting, and what `draft` refuses. Nothing is kept then.
    """

    def inserted(reason: str) -> ChangeRequest:
        return kind.insert(draft(), user=user, reason=reason, is_setup=may_set_up_alone(user))

    return workflow.propose(kind, inserted, user=user, reason=reason)
