"""Settle attempts and refunds that a statement proves and that are not recorded here yet.

Each line is applied as a payment update with the line as its evidence, and the outcome is stored on the line. An approved
settlement is marked on the statement: another worker continues after a crash, and nothing is applied twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from orders import machine
from orders.approvals.order_kind import staff
from orders.history.lines import Evidence
from orders.models import Order
from ordersite.database import bulk
from ordersite.lib.tracebacks import brief
from payments.cases.open import Case, fact_key, open_cases
from payments.lifecycle import apply
from payments.lifecycle.updates import Outcome, PaymentUpdate, UpdateResult
from payments.models import Payment, PaymentException, Statement, StatementLine
from payments.providers.types import UpdateKind
from payments.reconciliation.named_orders import named_orders

TASK = "payments.settle_statements"
CHUNK = 500
# More differences of one kind in one statement than this are one case with their number, not one each.
GROUP_OVER = 100
# Until then the next day's bill may contain it.
MISSING_THERE_AFTER = timedelta(days=1)
# The last payment of a day may stand in the next day's bill, which is fetched from ten o'clock of the day after.
FETCHED_MISSING_AFTER = timedelta(hours=36)
# A settlement that has failed for so long becomes a case.
FAILING_AFTER = timedelta(hours=1)
DONE = (Outcome.APPLIED, Outcome.REFUND_APPLIED)
Result, LineKind, Note = StatementLine.Result, StatementLine.LineKind, StatementLine.Note

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
    """Settle from every statement whose settlement was approved, see `approval`.

    One that fails keeps its error, is tried again in each round after the others, and becomes a case after an hour.
    """
    wanted = Statement.objects.to_settle().select_related("settle_wanted_by").order_by("id")
    for statement in sorted(wanted, key=lambda one: one.last_error != ""):
        try:
            settle(statement)
        except Exception as error:
            logger.exception("settlement failed", extra={"statement": statement.pk})
            _keep_error(statement, error)


def _keep_error(statement: Statement, error: Exception) -> None:
    problem = brief(error).replace("\0", "")[:500]
    with transaction.atomic():
        Statement.objects.filter(pk=statement.pk).update(last_error=problem)
        since = statement.settle_wanted_at
        if since is not None and timezone.now() - since >= FAILING_AFTER:
            case = Case(
                kind=PaymentException.Kind.STATEMENT_DIFFERENCE,
                dedup_key=fact_key("statement not settled", statement.pk),
                account_id=statement.account_id,
                detail={"error": problem, "statement": str(statement)},
            )
            open_cases([case])


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
    Statement.objects.filter(pk=statement.pk).update(settle_wanted_at=None, last_error="")
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
    """Return the differences that need a person and have no case yet.

    These are payments for an unknown attempt, or for one whose number stands inside a text, different amounts, and payments
    still missing in the file, and in every later one, a day later.
    """
    lines = _for_a_person(statement).filter(case__isnull=True)
    is_fresh = Q(result=Result.MISSING_THERE) & (
        Q(occurred_at__gte=timezone.now() - MISSING_THERE_AFTER) | Q(occurred_at__isnull=True)
    )
    return lines.exclude(is_fresh).order_by("id")


def _for_a_person(statement: Statement) -> QuerySet[StatementLine]:
    """Return all differences that no machine can settle, also the fresh ones and those that have a case."""
    unknown = Q(result=Result.MISSING_HERE, payment__isnull=True, amount__gt=0)
    proposed = Q(result=Result.MISSING_HERE, note=Note.IN_TEXT)
    lacking = Q(result=Result.MISSING_THERE) & ~Q(note=Note.LATER) & ~Q(_stands_in_a_file())
    differing = Q(result=Result.AMOUNT_DIFFERS)
    return statement.lines.filter(unknown | proposed | lacking | differing, outcome="").order_by()


def _stands_in_a_file() -> Exists:
    """Whether the payment of a line without a number stands in some file after all, mostly the next day's."""
    shown = StatementLine.objects.filter(
        payment=OuterRef("payment"), number__isnull=False, kind=LineKind.PAYMENT
    )
    return Exists(shown.exclude(note=Note.READ_AGAIN))


@dataclass(slots=True)
class Given:
    """What was given to a person: `cases` are new, and `grouped` lines stand together in such a case or an older one."""

    cases: int = 0
    grouped: int = 0


def raise_cases(statement: Statement) -> int:
    """Give all that needs a person to one, see `hand_over`; return how many cases are new."""
    return hand_over(statement).cases


def hand_over(statement: Statement) -> Given:
    """Open a case for each difference that needs a person, or one counted case for a flood of one kind.

    Every line gets the case that it stands in and is never given to a person again. Safe to repeat and to run
    concurrently: it holds the statement's row.
    """
    handed = Given()
    kinds = ("result", "kind", "note")
    with transaction.atomic():
        Statement.objects.select_for_update(no_key=True).filter(pk=statement.pk).first()
        floods = _for_a_person(statement).values_list(*kinds).annotate(number=Count("pk"))
        for result, kind, note, number in floods.order_by(*kinds):
            lines = unsettleable(statement).filter(result=result, kind=kind, note=note)
            if number > GROUP_OVER:
                _open_group(statement, lines, handed)
            else:
                _open_each(list(lines.select_related("payment", "account")), handed)
    return handed


def raise_overdue_cases() -> None:
    """Give what fetched bills lack to a person once the next day's bill should have shown it, however late that is.

    Nobody opens a fetched bill whose only difference was too fresh when it was read.
    """
    lacking = StatementLine.objects.filter(
        number__isnull=True, result=Result.MISSING_THERE, outcome="", case__isnull=True, note=""
    ).filter(statement__in=Statement.objects.filter(source=Statement.Source.FETCH))
    lacking.filter(_stands_in_a_file()).update(note=Note.LATER)
    overdue = lacking.filter(occurred_at__lt=timezone.now() - FETCHED_MISSING_AFTER)
    ids = set(overdue.order_by().values_list("statement_id", flat=True).distinct())
    for statement in Statement.objects.filter(pk__in=ids).order_by("pk"):
        try:
            hand_over(statement)
        except Exception:  # the others are looked at all the same; this one is again in the next round
            logger.exception("no cases from statement", extra={"statement": statement.pk})


def _open_each(lines: Sequence[StatementLine], handed: Given) -> None:
    if not lines:
        return
    named = named_orders(lines)
    cases = [_case(line, named.get(line.reference)) for line in lines]
    handed.cases += open_cases(cases)
    known = PaymentException.objects.open().filter(
        kind=PaymentException.Kind.STATEMENT_DIFFERENCE, dedup_key__in={case.dedup_key for case in cases}
    )
    ids = dict(known.values_list("dedup_key", "pk"))
    for line, case in zip(lines, cases, strict=True):
        line.case_id = ids.get(case.dedup_key)
    bulk.update_rows(StatementLine, lines, ("case",))


def _open_group(statement: Statement, lines: QuerySet[StatementLine], handed: Given) -> None:
    """Put these lines, all of one kind, into the open case of their kind and statement, and count what stands in it."""
    first = lines.first()
    if first is None:
        return
    kind = PaymentException.Kind.STATEMENT_DIFFERENCE
    key = fact_key("statement group", statement.pk, first.result, first.kind, first.note)
    handed.cases += open_cases([Case(kind=kind, dedup_key=key, account_id=statement.account_id)])
    case = PaymentException.objects.open().select_for_update(no_key=True).get(kind=kind, dedup_key=key)
    handed.grouped += lines.order_by().update(case=case)
    counted = StatementLine.objects.filter(case=case).aggregate(number=Count("pk"), amount=Sum("amount"))
    case.amount = counted["amount"]
    case.detail = {
        "difference": first.result,
        "kind": first.kind,
        "statement": str(statement),
        "lines": counted["number"],
    } | ({"note": first.note} if first.note else {})
    case.save(update_fields=["amount", "detail"])


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
