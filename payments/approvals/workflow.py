"""Two persons: who may propose, who may decide, and the lines that each step leaves in the order's history.

Call everything here inside a transaction that holds the order's lock: it is what makes two deciders one after another.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from orders import lifecycle
from orders.changes import Note
from orders.history.lines import Actor, Evidence
from orders.models import Merchant, Order
from ordersite.database import bulk
from ordersite.lib.money import format_amount
from payments.approvals.errors import (
    already_decided,
    beyond_limit,
    decision_note_missing,
    not_allowed,
    not_the_proposer,
    own_proposal,
    reason_missing,
    too_soon,
)
from payments.approvals.limits import is_within, limit_of
from payments.models import MoneyLimit, Proposal, ProposalStatus

_LONGEST_WORDS = 500
_DECIDED = ("status", "decided_by", "decided_at", "decision_note", "is_single_operator")
# Stands in the history beside the decider's words, so that an auditor finds these decisions.
SINGLE_OPERATOR = "single operator"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of proposal: its name in evidence and in history, the rights, and whose limits count."""

    name: str
    trigger: str
    may_propose: str
    may_decide: str
    deciding: MoneyLimit.Deed
    proposing: MoneyLimit.Deed | None = None


SETTLEMENT = Kind(
    "settlement_request",
    "settlement",
    "payments.propose_settlementrequest",
    "payments.approve_settlementrequest",
    MoneyLimit.Deed.APPROVE_SETTLEMENT,
    MoneyLimit.Deed.PROPOSE_SETTLEMENT,
)
REVIVAL = Kind(
    "revival_request",
    "revival",
    "payments.propose_revivalrequest",
    "payments.approve_revivalrequest",
    MoneyLimit.Deed.APPROVE_REVIVAL,
)


def staff(user: AbstractUser) -> Actor:
    """The person as history names them."""
    return Actor("staff", user.get_username())


def words_of(text: str, missing: Exception) -> str:
    """What a person wrote, cut to its column; raises `missing` where there is nothing."""
    words = text.strip()[:_LONGEST_WORDS]
    if not words:
        raise missing
    return words


def check_proposer(kind: Kind, user: AbstractUser, amount: Decimal) -> None:
    """Raises `DomainError`: not_allowed, beyond_limit."""
    if not user.has_perm(kind.may_propose):
        raise not_allowed()
    if kind.proposing is not None:
        _check_limit(user, kind.proposing, amount)


def _check_limit(user: AbstractUser, deed: MoneyLimit.Deed, amount: Decimal) -> None:
    if not is_within(user, deed, amount):
        raise beyond_limit(amount, limit_of(user, deed) or Decimal(0))


def check_approver(kind: Kind, proposal: Proposal, user: AbstractUser, *, now: datetime) -> None:
    """Raises `DomainError`: already_decided, not_allowed, own_proposal, too_soon, beyond_limit."""
    check_waiting(proposal)
    if not user.has_perm(kind.may_decide):
        raise not_allowed()
    if user.pk == proposal.proposer_id:
        _check_alone(proposal, now)
    _check_limit(user, kind.deciding, proposal.amount)


def check_refuser(kind: Kind, proposal: Proposal, user: AbstractUser) -> None:
    """Raises `DomainError`: already_decided, not_allowed, own_proposal (that one is withdrawn instead)."""
    check_waiting(proposal)
    if not user.has_perm(kind.may_decide):
        raise not_allowed()
    if user.pk == proposal.proposer_id:
        raise own_proposal()


def check_waiting(proposal: Proposal) -> None:
    if not proposal.is_waiting:
        raise already_decided(ProposalStatus(proposal.status).label)


def _check_alone(proposal: Proposal, now: datetime) -> None:
    """A shop of one person may have switched this on; then after a wait, and marked."""
    merchant = Merchant.objects.get(pk=proposal.order.merchant_id)
    if not merchant.allows_single_operator:
        raise own_proposal()
    left = proposal.proposed_at + timedelta(minutes=merchant.single_operator_wait_minutes) - now
    if left > timedelta(0):
        raise too_soon(math.ceil(left / timedelta(minutes=1)))


def save_decision(proposal: Proposal, *columns: str) -> None:
    """Write the decision unless somebody else's stands there: one UPDATE guarded by the old state."""
    guard = {"status": ProposalStatus.PROPOSED}
    if bulk.update_rows(type(proposal), [proposal], (*_DECIDED, *columns), guard=guard) != 1:
        raise already_decided("")


P = TypeVar("P", bound=Proposal)


@dataclass(frozen=True, slots=True)
class Desk(Generic[P]):
    """What every kind of proposal can do. `lock` takes the order, the attempts and the request; `facts` are what the
    kind says in its evidence besides order, amount, reason, proposer and time."""

    kind: Kind
    lock: Callable[[int], tuple[Order, P]]
    facts: Callable[[P], Mapping[str, Any]]

    def refuse(self, request_id: int, *, user: AbstractUser, note: str) -> P:
        """The second person says no, and why; the order stays as it is.

        Raises `DomainError`: decision_note_missing, already_decided, not_allowed, own_proposal.
        """
        words = words_of(note, decision_note_missing())
        with transaction.atomic():
            order, request = self.lock(request_id)
            check_refuser(self.kind, request, user)
            request.refuse(user, timezone.now(), words)
            save_decision(request)
            self.note(order, request, user, step="refused", words=words)
        return request

    def withdraw(self, request_id: int, *, user: AbstractUser, note: str) -> P:
        """The proposer takes it back. Raises `DomainError`: reason_missing, already_decided, not_the_proposer."""
        words = words_of(note, reason_missing())
        with transaction.atomic():
            order, request = self.lock(request_id)
            check_waiting(request)
            if request.proposer_id != user.pk:
                raise not_the_proposer()
            request.withdraw(user, timezone.now(), words)
            save_decision(request)
            self.note(order, request, user, step="withdrawn", words=words)
        return request

    def note(self, order: Order, request: P, user: AbstractUser, *, step: str, words: str) -> Evidence:
        """A line of history on the locked order (trigger settlement_approved …); what proves it."""
        proof = self._evidence(request)
        trigger = f"{self.kind.trigger}_{step}"
        lifecycle.apply_one(order, Note(order.pk, trigger, staff(user), proof, words))
        return proof

    def _evidence(self, request: P) -> Evidence:
        """The request with the SHA-256 of its canonical JSON: sorted names, no blanks, UTF-8, ISO 8601 in UTC."""
        content = {
            "id": request.pk,
            "order": request.order.number,
            "amount": format_amount(request.amount),
            "reason": request.reason,
            "proposer": request.proposer.get_username(),
            "proposed_at": request.proposed_at.isoformat(),
            **self.facts(request),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return Evidence(self.kind.name, str(request.pk), hashlib.sha256(text.encode()).hexdigest())


def decision_words(proposal: Proposal) -> str:
    """The decider's note, marked where the decider had proposed it."""
    note = proposal.decision_note
    return f"{SINGLE_OPERATOR}: {note}" if proposal.is_single_operator else note
