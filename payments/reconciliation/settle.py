"""Settle attempts and refunds that a statement proves and that are not recorded here yet.

Each line is applied as a payment update with the line as its evidence, and the outcome is stored on the line. An approved
settlement is marked on the statement: another worker continues after a crash, and nothing is applied twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from orders import machine
from orders.approvals.order_kind import staff
from orders.history.lines import Evidence
from orders.models import Order
from ordersite.database import bulk
from payments.cases.open import Case, fact_key, open_cases
from payments.lifecycle import apply
from payments.lifecycle.updates import Outcome, PaymentUpdate, UpdateResult
from payments.models import Payment, PaymentException, Statement, StatementLine
from payments.providers.types import UpdateKind
from payments.reconciliation.named_orders import named_orders

TASK = "payments.settle_statements"
CHUNK = 500
MOST_CASES = 500
# Until then the next day's bill may contain it.
MISSING_THERE_AFTER = timedelta(days=1)
DONE = (Outcome.APPLIED, Outcome.REFUND_APPLIED)
Result, LineKind = StatementLine.Result, StatementLine.LineKind

logger = logging.getLogger(__name__)


def settleable(statement: Statement) -> QuerySet[StatementLine]:
    """Return the statement's lines that can be settled automatically: known, of equal amount, not tried yet."""
    return StatementLine.objects.settleable().filter(statement=statement)


def settleable_earlier(statement: Statement) -> QuerySet[StatementLine]:
    """Return settleable lines of earlier statements that this file repeats as duplicates."""
    if not statement.duplicate or statement.superseded_by_id:
        return StatementLine.objects.none()
    repeated = StatementLine.objects.filter(statement=statement, result=Result.DUPLICATE).values("identity")
    rows = StatementLine.objects.filter(account_id=statement.account_id, number__isnull=False)
    return rows.settleable().exclude(statement=statement).filter(identity__in=repeated)


def settle_statements() -> None:
    """Settle from every statement whose settlement was approved, see `approval`."""
    wanted = Statement.objects.to_settle()
    for statement in wanted.select_related("settle_wanted_by").order_by("id"):
        settle(statement)


def settle(statement: Statement, *, report: Callable[[int], None] | None = None) -> int:
    """Settle all settleable lines; return how many payments and refunds this call applied.

    Payments come first, because a refund needs its payment. Safe to repeat and to run concurrently.
    """
    done = 0
    for kind in (LineKind.PAYMENT, LineKind.REFUND):
        for lines in (settleable(statement), settleable_earlier(statement)):
            for chunk in _chunks(lines.filter(kind=kind)):
                done += _settle_chunk(statement, chunk)
                if report:
                    report(done)
    Statement.objects.filter(pk=statement.pk).update(settle_wanted_at=None)
    return done


_Settleable = tuple[StatementLine, Payment]


def _chunks(lines: QuerySet[StatementLine]) -> Iterator[list[_Settleable]]:
    after = 0
    rows = lines.filter(payment__isnull=False).select_related("payment").order_by("id")
    while chunk := list(rows.filter(id__gt=after)[:CHUNK]):
        yield [(line, line.payment) for line in chunk if line.payment is not None]
        after = chunk[-1].pk


def _settle_chunk(statement: Statement, pairs: Sequence[_Settleable]) -> int:
    """Settle the lines in one transaction; on an error split them in half until the failing line is alone.

    The failing line gets the outcome POISON. Returns how many were applied."""
    lines = [line for line, _payment in pairs]
    try:
        with transaction.atomic():
            refunded = _refunded(lines)
            updates = [_update(statement, line, payment, refunded) for line, payment in pairs]
            return _record(lines, apply.apply_updates(updates))
    except Exception:  # one bad line must not stop the others
        if len(lines) == 1:
            logger.exception("statement line not settled", extra={"line": lines[0].pk})
            return _record(lines, [UpdateResult(Outcome.POISON)])
    middle = len(pairs) // 2
    return _settle_chunk(statement, pairs[:middle]) + _settle_chunk(statement, pairs[middle:])


def _refunded(lines: Sequence[StatementLine]) -> frozenset[int | None]:
    """The payments of these lines that a file shows refunded as well: their orders must not ship meanwhile."""
    payments = [
        line.payment_id for line in lines if line.kind == LineKind.PAYMENT and line.payment_id is not None
    ]
    refunds = StatementLine.objects.filter(kind=LineKind.REFUND, payment_id__in=payments)
    return frozenset(refunds.values_list("payment_id", flat=True))


def _update(
    statement: Statement, line: StatementLine, payment: Payment, refunded: Set[int | None]
) -> PaymentUpdate:
    is_refund = line.kind == LineKind.REFUND
    paid = UpdateKind.PAID_REFUNDED if line.payment_id in refunded else UpdateKind.PAYMENT
    return PaymentUpdate(
        account_id=statement.account_id,
        kind=UpdateKind.REFUND if is_refund else paid,
        reference=payment.reference,
        provider_reference=line.provider_reference,
        evidence=Evidence("statement_line", str(line.pk), line.sha256),
        seen_at=statement.created_at,
        trigger=machine.STATEMENT,
        amount=None if is_refund else line.amount,
        refund_amount=line.amount if is_refund else None,
        refund_reference=line.refund_reference,
        occurred_at=line.occurred_at,
        # The history names the user who confirmed it; a command has none, so the provider stands as the actor.
        actor=staff(statement.settle_wanted_by) if statement.settle_wanted_by else None,
    )


def _record(lines: Sequence[StatementLine], results: Sequence[UpdateResult]) -> int:
    """Store the outcomes, except on lines that were settled meanwhile; return how many were applied."""
    now, decided = timezone.now(), []
    for line, result in zip(lines, results, strict=True):
        if result.outcome != Outcome.WAITING:
            line.outcome, line.settled_at = result.outcome, now
            decided.append(line)
    bulk.update_rows(StatementLine, decided, ("outcome", "settled_at"), guard={"outcome": ""})
    return sum(line.outcome in DONE for line in decided)


def unsettleable(statement: Statement) -> QuerySet[StatementLine]:
    """Return the differences that need a person.

    These are payments for an unknown attempt, or for one whose number stands inside a text, different amounts, and payments
    still missing in the file a day later.
    """
    overdue = timezone.now() - MISSING_THERE_AFTER
    unknown = Q(result=Result.MISSING_HERE, payment__isnull=True, amount__gt=0)
    proposed = Q(result=Result.MISSING_HERE, note=StatementLine.Note.IN_TEXT)
    lacking = Q(result=Result.MISSING_THERE, occurred_at__lt=overdue)
    differing = Q(result=Result.AMOUNT_DIFFERS)
    return statement.lines.filter(unknown | proposed | lacking | differing, outcome="").order_by("id")


def raise_cases(statement: Statement, *, most: int = MOST_CASES) -> int:
    """Open a case for each difference, at most `most` per call; return how many are new."""
    lines = list(unsettleable(statement).select_related("payment", "account")[:most])
    named = named_orders(lines)
    with transaction.atomic():
        return open_cases([_case(line, named.get(line.reference)) for line in lines]) if lines else 0


def _case(line: StatementLine, named: Order | None) -> Case:
    fact = ("payment", line.payment_id) if line.result == Result.MISSING_THERE else (line.identity,)
    detail = {
        "difference": line.result,
        "kind": line.kind,
        "reference": line.reference,
        "provider_reference": line.provider_reference,
        "refund_reference": line.refund_reference,
        "amount": line.amount,
        "expected_amount": line.payment.amount if line.payment else "",
        "statement_line": line.pk,
        "note": line.note,
    }
    return Case(
        kind=PaymentException.Kind.STATEMENT_DIFFERENCE,
        dedup_key=fact_key("statement", line.account_id, *fact),
        account_id=line.account_id,
        order_id=line.payment.order_id if line.payment else named.pk if named else None,
        payment_id=line.payment_id,
        amount=line.amount,
        detail={name: value for name, value in detail.items() if value not in (None, "")},
    )


def open_refused_case(statement: Statement, message: str) -> None:
    """Open a case for a fetched bill that was refused, since nobody watches its import. Call inside a transaction."""
    open_cases(
        [
            Case(
                kind=PaymentException.Kind.STATEMENT_DIFFERENCE,
                dedup_key=fact_key("statement refused", statement.pk),
                account_id=statement.account_id,
                detail={"error": message, "statement": str(statement)},
            )
        ]
    )
