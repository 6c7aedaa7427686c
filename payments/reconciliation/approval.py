"""Settling from a statement as a kind of request: who imports a file proposes, a second person approves.

No file that a person hands in is signed, a provider's own bill neither: a made-up one would pay orders by one person
alone. Bills that were fetched come from the provider itself: they have no proposer, and one person approves.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from orders.approvals.errors import unknown_request
from orders.approvals.kinds import Approval, ApprovalKind, Step
from orders.history.lines import Evidence
from orders.models import Merchant
from ordersite.queue import wakeups
from payments.models import Statement, StatementStatus
from payments.reconciliation import errors
from payments.reconciliation.settle import TASK


class StatementSettlement(ApprovalKind[Statement]):
    """An approval is a mark on the statement, which a worker finds and settles line by line.

    It needs no note, and nothing is refused or withdrawn: a file that nobody approves settles nothing.
    """

    name = "statement"
    model = Statement
    may_propose = "payments.import_statement"
    may_approve = "payments.settle_statement"
    since_column = "created_at"
    decision_columns = ("settle_wanted_at", "settle_wanted_by")
    waiting_guard = {"status": StatementStatus.MATCHED}
    needs_note = False
    is_refusable = False

    def lock(self, request_id: int) -> Statement:
        statement = Statement.objects.select_for_update(no_key=True).filter(pk=request_id).first()
        if statement is None:
            raise unknown_request(request_id)
        return statement

    def check(self, request: Statement) -> None:
        if request.status != StatementStatus.MATCHED or request.superseded_by_id:
            raise errors.not_matched()

    def apply(self, request: Statement, approval: Approval) -> None:
        transaction.on_commit(lambda: wakeups.wake(TASK))

    def record(self, request: Statement, step: Step, user: AbstractUser | None, note: str) -> Evidence:
        """Nothing yet: the lines of each order name the approver when the worker settles it."""
        return Evidence(self.name, str(request.pk), request.sha256)

    def merchant_of(self, request: Statement) -> Merchant:
        return request.account.merchant

    def waiting(self) -> QuerySet[Statement]:
        return Statement.objects.filter(
            status=StatementStatus.MATCHED, settle_wanted_at__isnull=True
        ).standing()

    def summary(self, request: Statement) -> str:
        return _("statement %(name)s") % {"name": request}


STATEMENT = StatementSettlement()
