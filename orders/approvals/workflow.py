"""The approvals engine of every kind: one person proposes, another approves or refuses, or the proposer withdraws.

A decision holds the locks that the kind takes (order, payment, request): of two at once the second finds it decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from orders.approvals import errors
from orders.approvals.kinds import Approval, ApprovalKind, Request, Step
from orders.approvals.limits import check_limit
from ordersite.database import bulk
from ordersite.queue import outbox

# Stands in the history before the note of a proposer who approved alone, so that an auditor finds these decisions.
SINGLE_OPERATOR = "single operator"

# A `Request`; mypy checks a bound before it knows the fields of models.
R = TypeVar("R", bound=Any)


def propose(kind: ApprovalKind[R], draft: Callable[[str], R], *, user: AbstractUser | None, reason: str) -> R:
    """Put a request on record for a second person, and publish it. `draft` gets the reason: it locks the subject,
    checks the proposal and returns the inserted row. Without a user a rule of the merchant proposes.

    A row that `draft` has approved needs no second person: it is applied at once. May be called inside a transaction.
    Raises `DomainError`: not_allowed, reason_missing, beyond_limit, and what `draft` raises. Nothing is kept then.
    """
    if user is not None and not user.has_perm(kind.may_propose):
        raise errors.not_allowed()
    note = note_of(kind, reason)
    with transaction.atomic():
        request = draft(note)
        if user is not None:
            check_limit(user, kind.propose_limit, kind.amount_of(request))
        kind.record(request, Step.PROPOSED, user, note)
        if request.is_waiting:
            payload = {**kind.payload(request), "proposer_id": request.proposer_id}
            outbox.publish([outbox.Event(kind.event, request.pk, request.proposed_at, payload)])
        else:
            _apply(kind, request, user, "")
    return request


def approve(kind: ApprovalKind[R], request_id: int, *, user: AbstractUser, note: str) -> R:
    """Approve and apply a request: by a second person, or by a single operator after the wait.

    Raises `DomainError`: unknown_request, reason_missing, already_decided, not_allowed, own_proposal, too_early,
    beyond_limit, and what the kind refuses. Nothing is changed then.
    """
    note = note_of(kind, note)
    with transaction.atomic():
        request = kind.lock(request_id)
        now = timezone.now()
        check_approver(kind, request, user, now=now)
        kind.check(request)
        request.approve(user, now, note)
        _save_decision(kind, request)
        _apply(kind, request, user, note)
    return request


def refuse(kind: ApprovalKind[R], request_id: int, *, user: AbstractUser, note: str) -> R:
    """Refuse a request with a note; its subject stays as it is. A proposer withdraws instead.

    Raises `DomainError`: not_refusable, unknown_request, reason_missing, already_decided, not_allowed, own_proposal.
    """
    note = _closing_note(kind, note)
    with transaction.atomic():
        request = kind.lock(request_id)
        _check_right(kind, request, user)
        if request.proposer_id == user.pk:
            raise errors.own_proposal()
        request.refuse(user, timezone.now(), note)
        _end(kind, request, Step.REFUSED, user, note)
    return request


def withdraw(kind: ApprovalKind[R], request_id: int, *, user: AbstractUser, note: str) -> R:
    """Withdraw a request, by its proposer.

    Raises `DomainError`: not_refusable, unknown_request, reason_missing, already_decided, not_the_proposer.
    """
    note = _closing_note(kind, note)
    with transaction.atomic():
        request = kind.lock(request_id)
        _check_waiting(request)
        if request.proposer_id != user.pk:
            raise errors.not_the_proposer()
        request.withdraw(user, timezone.now(), note)
        _end(kind, request, Step.WITHDRAWN, user, note)
    return request


def note_of(kind: ApprovalKind[Any], text: str) -> str:
    """Return the note stripped and cut to its column. Raises `DomainError` reason_missing."""
    note = text.strip()[: kind.longest_note]
    if not note and kind.needs_note:
        raise errors.reason_missing()
    return note


def _closing_note(kind: ApprovalKind[Any], text: str) -> str:
    if not kind.is_refusable:
        raise errors.not_refusable()
    return note_of(kind, text)


def check_approver(kind: ApprovalKind[R], request: R, user: AbstractUser, *, now: datetime) -> None:
    """Raises `DomainError`: already_decided, not_allowed, own_proposal, too_early, beyond_limit."""
    _check_right(kind, request, user)
    if request.proposer_id == user.pk:
        _check_alone(kind, request, now)
    check_limit(user, kind.approve_limit, kind.amount_of(request))


def _check_right(kind: ApprovalKind[R], request: R, user: AbstractUser) -> None:
    _check_waiting(request)
    if not user.has_perm(kind.may_approve):
        raise errors.not_allowed()


def _check_waiting(request: Request) -> None:
    if not request.is_waiting:
        raise errors.already_decided(request.status_label)


def _check_alone(kind: ApprovalKind[R], request: R, now: datetime) -> None:
    """Check that the shop allows a single operator and that the wait is over."""
    alone_from = kind.alone_from(request)
    if alone_from is None:
        raise errors.own_proposal()
    if now < alone_from:
        raise errors.too_early(math.ceil((alone_from - now) / timedelta(minutes=1)))


def _apply(kind: ApprovalKind[R], request: R, user: AbstractUser | None, note: str) -> None:
    proof = kind.record(request, Step.APPROVED, user, _marked(request, note))
    kind.apply(request, Approval(user, note, proof))


def _end(kind: ApprovalKind[R], request: R, step: Step, user: AbstractUser, note: str) -> None:
    _save_decision(kind, request)
    kind.record(request, step, user, note)
    kind.release(request, step, user, note)


def _save_decision(kind: ApprovalKind[R], request: R) -> None:
    """Write the decision with one UPDATE that the old state guards; a lock that a kind forgot does no harm then."""
    written = bulk.update_rows(kind.model, [request], kind.decision_columns, guard=kind.waiting_guard)
    if written != 1:
        raise errors.already_decided("")


def _marked(request: Request, note: str) -> str:
    """Return the note, marked where the approver is the proposer."""
    return f"{SINGLE_OPERATOR}: {note}" if request.is_single_operator else note
