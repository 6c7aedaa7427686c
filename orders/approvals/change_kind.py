"""Kinds of change that take two persons: accounts, merchants' switches, money limits. None of them is about an order.

A kind locks the row that is changed before the request. Each approved change stands in the audit, value by value, with
the names of both persons; secrets stand there as fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.approvals import errors
from orders.approvals.kinds import Approval, ApprovalKind, Step, registered
from orders.history.lines import Evidence
from orders.models import ChangeRequest, Merchant, ProposalStatus
from ordersite.lib.errors import DomainError
from ordersite.queue import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposed change: values of the columns of `ChangeRequest`."""

    subject: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    subject_id: int | None = None
    merchant: Merchant | None = None
    sealed_values: str = ""
    amount: Decimal | None = None


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """Return before and after of each differing value; a missing one is ""."""
    pairs = {name: [before.get(name, ""), after.get(name, "")] for name in sorted({*before, *after})}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


class ChangeKind(ApprovalKind[ChangeRequest]):
    """The base of kinds of change. Subclasses read, lock and write the row."""

    model = ChangeRequest
    code: ClassVar[ChangeRequest.Kind]
    table: ClassVar[str]

    @abstractmethod
    def lock_values(self, request: ChangeRequest) -> Mapping[str, str]:
        """Lock the row that is changed and return its values as an auditor may read them; nothing for no row."""

    @abstractmethod
    def write(self, request: ChangeRequest) -> int:
        """Write the proposed values; returns the row's number. Raises `DomainError`: nothing is changed then."""

    def check_person(self, request: ChangeRequest, user: AbstractUser) -> None:
        """Raise `DomainError` for somebody who may approve such changes, but not this one."""

    def lock(self, request_id: int) -> ChangeRequest:
        found = self.rows().filter(pk=request_id).first()
        if found is None:
            raise errors.unknown_request(request_id)
        # The row first, then the request, as everywhere: of two approvals the second finds it decided.
        shown = self.lock_values(found)
        request = self.rows().select_for_update(no_key=True, of=("self",)).get(pk=request_id)
        request.has_moved = any(
            shown.get(name, "") != before for name, (before, _after) in request.changes.items()
        )
        return request

    def check(self, request: ChangeRequest) -> None:
        if request.has_moved:
            raise changed_meanwhile(request.subject)

    def apply(self, request: ChangeRequest, approval: Approval) -> None:
        approver = approval.user
        if approver is None:  # no rule of a merchant approves a change
            raise errors.not_allowed()
        self.check_person(request, approver)
        self._write_audited(request, approver)

    def _write_audited(self, request: ChangeRequest, approver: AbstractUser) -> None:
        """Write the values, an audit entry for each, and a line in the log of staff actions."""
        row_id, actor = self.write(request), self._persons(request, approver)
        entries = [
            audit.AuditedChange(self.table, row_id, name, before, after)
            for name, (before, after) in request.changes.items()
        ]
        audit.record(entries, actor=actor)
        LogEntry.objects.create(
            user_id=approver.pk,
            content_type=_content_type_of(self.table),
            object_id=str(row_id),
            object_repr=request.subject[:200],
            action_flag=CHANGE,
            change_message=_log_line(request.changes, actor),
        )

    def _persons(self, request: ChangeRequest, approver: AbstractUser) -> str:
        proposer, second = request.proposer.get_username(), approver.get_username()
        if request.is_setup:
            return f"set-up: {second}"
        return f"staff: {proposer}" if proposer == second else f"staff: {proposer} + {second}"

    def record(self, request: ChangeRequest, step: Step, user: AbstractUser | None, note: str) -> Evidence:
        """Return the evidence of a step. Writes nothing: the request stores its steps, the audit what was approved."""
        content = {
            "id": request.pk,
            "kind": request.kind,
            "subject": request.subject,
            "changes": request.changes,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return Evidence(self.key, str(request.pk), hashlib.sha256(text.encode()).hexdigest())

    def payload(self, request: ChangeRequest) -> Mapping[str, Any]:
        return {"kind": request.kind, "subject": request.subject}

    def amount_of(self, request: ChangeRequest) -> Decimal | None:
        return None

    def merchant_of(self, request: ChangeRequest) -> Merchant | None:
        return None

    def rows(self) -> QuerySet[ChangeRequest]:
        return ChangeRequest.objects.filter(kind=self.code).select_related("proposer", "merchant")

    def waiting(self) -> QuerySet[ChangeRequest]:
        return self.rows().filter(status=ProposalStatus.PROPOSED)

    def summary(self, request: ChangeRequest) -> str:
        return f"{request.get_kind_display()} {self.name_of(request)}"

    def name_of(self, request: ChangeRequest) -> str:
        """Return the changed thing's name in the reader's language."""
        return request.subject

    def label_of(self, name: str) -> str:
        """Return the label of a value's name; the keys of account files have none."""
        return name

    def text_of(self, name: str, value: str) -> str:
        """Return a value in the reader's language."""
        return value

    def insert(
        self, draft: Draft, *, user: AbstractUser, reason: str, is_setup: bool = False
    ) -> ChangeRequest:
        """Insert the request; approved at once where it is part of the set-up.

        Raises `DomainError`: nothing_changes, proposal_waiting.
        """
        changes = differences(draft.before, draft.after)
        if not changes:
            raise nothing_changes(draft.subject)
        request = ChangeRequest(
            kind=self.code,
            subject=draft.subject,
            subject_id=draft.subject_id,
            merchant=draft.merchant,
            changes=changes,
            values=dict(draft.values),
            sealed_values=draft.sealed_values,
            amount=draft.amount,
            reason=reason,
            proposer_id=user.pk,
        )
        if is_setup:
            request.is_setup = True
            request.approve(user, timezone.now(), reason)
        try:
            with transaction.atomic():
                request.save(force_insert=True)
        except IntegrityError as error:
            raise errors.proposal_waiting(draft.subject) from error
        return request


def _log_line(changes: Mapping[str, Any], actor: str) -> str:
    """Each value before and after, secrets as fingerprints, and the persons."""
    values = "; ".join(
        f"{name} {before or '–'} → {after or '–'}" for name, (before, after) in changes.items()
    )
    return f"changed: {values} ({actor})"


def _content_type_of(table: str) -> ContentType | None:
    model = next((model for model in apps.get_models() if model._meta.db_table == table), None)
    return ContentType.objects.get_for_model(model) if model else None


def kind_of(request: ChangeRequest) -> ChangeKind:
    """Return the kind of a stored request. Raises LookupError if no app has registered it."""
    for kind in registered():
        if isinstance(kind, ChangeKind) and kind.code == request.kind:
            return kind
    raise LookupError(f"no kind of change is called {request.kind}")


def nothing_changes(subject: str) -> DomainError:
    return DomainError("nothing_changes", _("Nothing of %(subject)s would change."), subject=subject)


def changed_meanwhile(subject: str) -> DomainError:
    return DomainError(
        "changed_meanwhile",
        _("%(subject)s was changed after this was proposed. Refuse it, and let it be proposed anew."),
        subject=subject,
    )
