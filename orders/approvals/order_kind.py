"""Kinds of request about an order: each step is a line of the order's history."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeVar

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from orders import lifecycle
from orders.approvals.kinds import ApprovalKind, Request, Step
from orders.changes import Note
from orders.history.lines import SYSTEM, Actor, Evidence
from orders.models import Merchant, Order
from ordersite.lib.money import display_amount, format_amount


class OrderRequest(Request, Protocol):
    """A request about `amount` yuan of an order."""

    @property
    def order(self) -> Order: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def reason(self) -> str: ...
    @property
    def proposer(self) -> AbstractUser | None: ...


# A `OrderRequest`; mypy checks a bound before it knows the fields of models.
R = TypeVar("R", bound=Any)


def staff(user: AbstractUser | None) -> Actor:
    """Return a person as actor of a history line; without one the system, for a merchant's rule."""
    return Actor("staff", user.get_username()) if user else SYSTEM


class OrderKind(ApprovalKind[R]):
    """`lock` sets the locked order on the request, so that the history is continued from its head."""

    # The trigger of history lines is this and the step: settlement_approved.
    trigger: ClassVar[str]

    def facts(self, request: R) -> Mapping[str, Any]:
        """Return the facts of the evidence besides order, amount, reason, proposer and time."""
        return {}

    def evidence(self, request: R) -> Evidence:
        """Return the evidence: the SHA-256 of the canonical JSON (sorted names, no blanks, UTF-8, ISO 8601 in UTC)."""
        content = {
            "id": request.pk,
            "order": request.order.number,
            "amount": format_amount(request.amount),
            "reason": request.reason,
            "proposer": request.proposer.get_username() if request.proposer else "",
            "proposed_at": request.proposed_at.isoformat(),
            **self.facts(request),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return Evidence(self.name, str(request.pk), hashlib.sha256(text.encode()).hexdigest())

    def record(self, request: R, step: Step, user: AbstractUser | None, note: str) -> Evidence:
        proof = self.evidence(request)
        line = Note(request.order.pk, self.trigger_of(request, step), staff(user), proof, note)
        lifecycle.apply_one(request.order, line)
        return proof

    def trigger_of(self, request: R, step: Step) -> str:
        return f"{self.trigger}_{step}"

    def payload(self, request: R) -> Mapping[str, Any]:
        return {"number": request.order.number}

    def amount_of(self, request: R) -> Decimal:
        return request.amount

    def merchant_of(self, request: R) -> Merchant:
        return request.order.merchant

    def rows(self) -> QuerySet[Any]:
        return super().rows().select_related("order")

    def summary(self, request: R) -> str:
        words = {"number": request.order.number, "amount": display_amount(request.amount)}
        return _("order %(number)s, %(amount)s") % words
