"""Kinds of request that two persons decide, and the registry of all of them.

A kind names rights, limits and the single operator's wait (`alone_from`); `workflow` enforces them.

A new kind subclasses `ApprovalKind` (or `OrderKind`), names its permissions, and is registered in the `ready` of its app:
`kinds.register(SETTLEMENT, REVIVAL)`. Its event gets a handler in `ordersite.flow`: `partial(notify.mail_approvers, KIND)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.functional import Promise

from orders.history.lines import Evidence
from orders.models import Merchant, MoneyLimit, ProposalStatus


class Step(StrEnum):
    """What happens to a request; history lines name it in their trigger."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Request(Protocol):
    """The row of a request. `orders.models.Proposal` is one; a row with other columns offers properties.

    `proposed_at` is UTC. The transitions set the columns of the decision and write nothing.
    """

    @property
    def pk(self) -> Any: ...
    @property
    def proposer_id(self) -> int | None: ...
    @property
    def proposed_at(self) -> datetime: ...
    @property
    def is_waiting(self) -> bool: ...
    @property
    def is_single_operator(self) -> bool: ...
    @property
    def status_label(self) -> str | Promise: ...
    def approve(self, by: AbstractUser, at: datetime, note: str) -> None: ...
    def refuse(self, by: AbstractUser, at: datetime, note: str) -> None: ...
    def withdraw(self, by: AbstractUser, at: datetime, note: str) -> None: ...


# A `Request`; mypy checks a bound before it knows the fields of models.
R = TypeVar("R", bound=Any)


@dataclass(frozen=True, slots=True)
class Approval:
    """A written approval: the approver (None: a rule), the note, and the evidence of the request."""

    user: AbstractUser | None
    note: str
    proof: Evidence


class ApprovalKind(ABC, Generic[R]):
    """One kind of request: its rights and limits, what it locks, and what an approval does.

    Every method that takes a request is called inside a transaction, with the rows locked that `lock` has locked.
    """

    # Of evidence in the history: settlement_request.
    name: ClassVar[str]
    # Published with the request's id when it was proposed: settlement.proposed; empty: nobody is notified.
    event: ClassVar[str] = ""
    model: ClassVar[type[Any]]
    may_propose: ClassVar[str]
    may_approve: ClassVar[str]
    propose_limit: ClassVar[MoneyLimit.LimitedAction | None] = None
    approve_limit: ClassVar[MoneyLimit.LimitedAction | None] = None
    # Above the number of waiting requests on the home page; empty: no tile.
    tile: ClassVar[str | Promise] = ""
    # Above the number of one's own requests that wait for a colleague; empty: no tile.
    own_tile: ClassVar[str | Promise] = ""
    since_column: ClassVar[str] = "proposed_at"
    proposer_column: ClassVar[str] = "proposer"
    # What a decision writes, and the old values that must still stand there.
    decision_columns: ClassVar[Sequence[str]] = (
        "status",
        "decided_by",
        "decided_at",
        "decision_note",
        "is_single_operator",
    )
    waiting_guard: ClassVar[Mapping[str, Any]] = {"status": ProposalStatus.PROPOSED}
    longest_note: ClassVar[int] = 500
    needs_note: ClassVar[bool] = True
    # Whether a request can end without an approval.
    is_refusable: ClassVar[bool] = True

    @abstractmethod
    def lock(self, request_id: int) -> R:
        """Lock the subject (order, then payment), then the request, and return it. Raises `DomainError` unknown_request."""

    @abstractmethod
    def apply(self, request: R, approval: Approval) -> None:
        """Apply the approved request. Raises `DomainError`, which undoes the approval."""

    @abstractmethod
    def summary(self, request: R) -> str:
        """Describe the subject shortly for mail, without personal data."""

    def check(self, request: R) -> None:
        """Raise `DomainError` where the request does not fit its subject any more. Called before the approval."""

    def release(self, request: R, step: Step, user: AbstractUser, note: str) -> None:
        """Undo what the proposal had reserved. Called after a refusal and a withdrawal."""

    @abstractmethod
    def record(self, request: R, step: Step, user: AbstractUser | None, note: str) -> Evidence:
        """Write a step into the subject's history; returns the evidence. No user: a rule did it."""

    def payload(self, request: R) -> Mapping[str, Any]:
        """Return the payload of the proposal's event, without the proposer."""
        return {}

    def amount_of(self, request: R) -> Decimal | None:
        """Return the amount (yuan) that limits are compared with; None: no money is moved."""
        return None

    def merchant_of(self, request: R) -> Merchant | None:
        """Return the merchant whose single-operator rule counts; None: always two persons."""
        return None

    def alone_from(self, request: R) -> datetime | None:
        """Return from when (UTC) the proposer may approve alone; None: never."""
        merchant = self.merchant_of(request)
        if merchant is None or not merchant.allows_single_operator:
            return None
        return request.proposed_at + timedelta(minutes=merchant.single_operator_wait_minutes)

    def waiting(self) -> QuerySet[Any]:
        """The requests that wait for a decision."""
        return self.model._default_manager.filter(**self.waiting_guard)

    def rows(self) -> QuerySet[Any]:
        """The requests with what `summary` reads."""
        return self.model._default_manager.all()

    def page_of(self, request: R) -> str:
        """The address of the page where it is decided."""
        return reverse(f"{self._url_stem}_change", args=[request.pk])

    @property
    def key(self) -> str:
        """What tells kinds apart: several may share a table, and so the name of their evidence."""
        return self.event or self.name

    @property
    def list_url_name(self) -> str:
        return f"{self._url_stem}_changelist"

    @property
    def _url_stem(self) -> str:
        return f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}"


_REGISTERED: dict[str, ApprovalKind[Any]] = {}


def register(*kinds: ApprovalKind[Any]) -> None:
    """Make kinds known to mail and home page; call it in the `ready` of the app that has them."""
    for kind in kinds:
        known = _REGISTERED.setdefault(kind.key, kind)
        if known is not kind:
            raise ValueError(f"two kinds are called {kind.key}")


def registered() -> tuple[ApprovalKind[Any], ...]:
    return tuple(_REGISTERED.values())


def kind_of_event(event: str) -> ApprovalKind[Any] | None:
    return next((kind for kind in registered() if kind.event == event), None)
