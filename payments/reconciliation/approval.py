"""Settling from a statement as a kind of request: who imports a file proposes, a second person approves.

No file that a person hands in is signed, a provider's own bill neither: a made-up one would pay orders by one person
alone. Bills that were fetched come from the provider itself: they have no proposer, and one person approves. A statement
waits from the moment when it was matched until nothing is left to settle, or somebody sets it aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from orders.approvals import notify
from orders.approvals.errors import unknown_request
from orders.approvals.kinds import Approval, ApprovalKind, Step
from orders.approvals.workflow import check_approver
from orders.history.lines import Evidence
from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.money import ZERO, display_amount
from ordersite.queue import outbox, wakeups
from payments.models import Statement, StatementLine, StatementStatus
from payments.reconciliation import errors
from payments.reconciliation.settle import TASK, settleable, settleable_earlier

_Kind = StatementLine.LineKind


@dataclass(frozen=True, slots=True)
class Takes:
    """How many lines a settlement would take, and their sums in yuan."""

    payments: int = 0
    paid: Decimal = ZERO
    refunds: int = 0
    refunded: Decimal = ZERO

    @property
    def lines(self) -> int:
        return self.payments + self.refunds

    def __str__(self) -> str:
        """In the reader's language: 3 payments, ¥597.00; 1 refund, ¥30.00."""
        parts = [
            (
                self.payments,
                self.paid,
                ngettext("%(n)s payment, %(sum)s", "%(n)s payments, %(sum)s", self.payments),
            ),
            (
                self.refunds,
                self.refunded,
                ngettext("%(n)s refund, %(sum)s", "%(n)s refunds, %(sum)s", self.refunds),
            ),
        ]
        return pgettext("between two sums", "; ").join(
            words % {"n": f"{number:,}", "sum": display_amount(total)}
            for number, total, words in parts
            if number
        )


def takes_of(statement: Statement) -> Takes:
    """What confirming this statement would settle: its own lines, and those of earlier files that it repeats."""
    counts = {_Kind.PAYMENT: 0, _Kind.REFUND: 0}
    sums = {_Kind.PAYMENT: ZERO, _Kind.REFUND: ZERO}
    for lines in (settleable(statement), settleable_earlier(statement)):
        for row in lines.order_by().values("kind").annotate(number=Count("pk"), total=Sum("amount")):
            kind = _Kind(row["kind"])
            counts[kind], sums[kind] = counts[kind] + row["number"], sums[kind] + row["total"]
    return Takes(counts[_Kind.PAYMENT], sums[_Kind.PAYMENT], counts[_Kind.REFUND], sums[_Kind.REFUND])


class StatementSettlement(ApprovalKind[Statement]):
    """An approval is a mark on the statement, which a worker finds and settles line by line.

    It needs no note, and nothing is refused or withdrawn: a file that nobody approves settles nothing. `set_aside` takes
    it from the desk.
    """

    name = "statement"
    event = "statement.proposed"
    model = Statement
    may_propose = "payments.import_statement"
    may_approve = "payments.settle_statement"
    tile = gettext_lazy("statements to confirm")
    own_tile = gettext_lazy("my statements that wait for a colleague")
    since_column = "created_at"
    proposer_column = "created_by"
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
        to_settle = StatementLine.objects.settleable().order_by().values("statement")
        matched = Statement.objects.filter(status=StatementStatus.MATCHED, pk__in=to_settle)
        return matched.filter(settle_wanted_at__isnull=True, set_aside_at__isnull=True).standing()

    def summary(self, request: Statement) -> str:
        return f"{request} · {takes_of(request)}"


STATEMENT = StatementSettlement()


def offer(statement: Statement) -> None:
    """Publish that a statement waits for a confirmation, if it holds anything to settle. Call inside a transaction.

    A file of a command is left out: who runs commands on the server settles with the same command.
    """
    if statement.source != Statement.Source.COMMAND and settleable(statement).exists():
        payload = {"proposer_id": statement.proposer_id}
        outbox.publish([outbox.Event(STATEMENT.event, statement.pk, timezone.now(), payload)])


def set_aside(statement: Statement) -> bool:
    """Take a statement from the desk: it waits for nobody any more. False where it did not wait."""
    waiting = STATEMENT.waiting().filter(pk=statement.pk)
    return waiting.update(set_aside_at=timezone.now()) == 1


def may_confirm(statement: Statement, user: AbstractUser) -> bool:
    """Whether this person's approval would be accepted now."""
    try:
        check_approver(STATEMENT, statement, user, now=timezone.now())
    except DomainError:
        return False
    return True


def hand_over(statement: Statement, user: AbstractUser) -> str:
    """Who has to confirm, for somebody who cannot do it now; empty for who can."""
    if may_confirm(statement, user):
        return ""
    alone_from = STATEMENT.alone_from(statement) if statement.proposer_id == user.pk else None
    if alone_from is not None and user.has_perm(STATEMENT.may_approve):
        at = timezone.localtime(alone_from).strftime("%Y-%m-%d %H:%M")
        return _("You uploaded this file: you may confirm it alone from %(at)s.") % {"at": at}
    names = notify.names_of(notify.approvers_of(STATEMENT, statement.proposer_id))
    if not names:
        return _("Nobody else may confirm it. An administrator has to give a colleague the role for it.")
    if statement.proposer_id == user.pk:
        return _(
            "You uploaded this file, so a colleague confirms it: %(names)s. It waits on their home page, and those "
            "with an address get a mail."
        ) % {"names": names}
    return _("It waits until one of these people confirms it: %(names)s.") % {"names": names}
