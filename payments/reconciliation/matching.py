"""Match the staged lines of a file with our payments, set-based: a few SQL statements for any number of lines.

Results: MATCHED, the same fact here and there, or nothing of ours; MISSING_HERE, money moved at the provider
and not here (or it moved for nobody we know); MISSING_THERE, we hold a payment of the file's period that the file
lacks; AMOUNT_DIFFERS; DUPLICATE, the same fact again, in this file or an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Count

from payments.models import Statement, StatementLine, StatementStatus
from payments.reconciliation.refusals import Refused

Result = StatementLine.Result

# The attempt by our number, else by theirs: only what the first did not find is looked up a second time.
# A copy is any but the first line of a fact, in the file or in the account's earlier ones. A refund whose number only
# one of the two sides knows (`Refund.is_unnumbered`) is recognised by its amount.
_MATCH = """
INSERT INTO payments_statementline (statement_id, account_id, number, kind, reference, provider_reference,
  refund_reference, amount, occurred_at, sha256, identity, result, payment_id, outcome, note)
SELECT %(statement)s, %(account)s, s.number, s.kind, s.reference, s.provider_reference, s.refund_reference, s.amount,
  s.occurred_at, s.sha256, s.identity,
  CASE
    WHEN s.number > d.first OR k.id IS NOT NULL{settled_before} THEN 'duplicate'
    WHEN s.payment_id IS NULL AND s.note = 'left_out' THEN 'matched'
    WHEN s.payment_id IS NULL THEN 'missing_here'
    WHEN s.note = 'currency' THEN 'amount_differs'
    WHEN s.kind = 'refund' THEN CASE
      WHEN s.refunded IS NULL THEN 'missing_here' WHEN s.refunded <> s.amount THEN 'amount_differs' ELSE 'matched' END
    WHEN s.kind = 'other' THEN CASE WHEN s.status IN ('paid', 'refunded') THEN 'amount_differs' ELSE 'matched' END
    WHEN s.amount <> s.expected THEN 'amount_differs'
    WHEN s.status NOT IN ('paid', 'refunded') OR o.id IS NOT NULL THEN 'missing_here'
    WHEN s.provider_reference <> '' AND s.trade <> '' AND s.provider_reference <> s.trade THEN 'missing_here'
    ELSE 'matched'
  END, s.payment_id, '', s.note
FROM (
  SELECT f.*, CASE WHEN f.kind = 'refund' AND f.payment_id IS NOT NULL THEN COALESCE(
    (SELECT x.amount FROM payments_refund x
     WHERE x.payment_id = f.payment_id AND x.refund_reference = f.refund_reference),
    (SELECT min(x.amount) FROM payments_refund x
     WHERE x.payment_id = f.payment_id AND x.amount = f.amount
       AND (f.refund_reference = '' OR x.is_unnumbered))
  ) END AS refunded
  FROM (
    SELECT t.*, COALESCE(a.id, b.id) AS payment_id, COALESCE(a.order_id, b.order_id) AS order_id,
      COALESCE(a.status, b.status) AS status, COALESCE(a.amount, b.amount) AS expected,
      COALESCE(a.provider_reference, b.provider_reference) AS trade
    FROM payments_statementstage t
    LEFT JOIN payments_payment a ON a.reference = t.reference AND a.account_id = %(account)s
    {by_trade}
    WHERE t.statement_id = %(statement)s AND t.attempt = %(attempt)s
  ) f
) s
LEFT JOIN (
  SELECT identity, min(number) AS first FROM payments_statementstage
  WHERE statement_id = %(statement)s AND attempt = %(attempt)s GROUP BY identity HAVING count(*) > 1
) d ON d.identity = s.identity
LEFT JOIN payments_statementline k ON k.account_id = %(account)s AND k.identity = s.identity
  AND k.number IS NOT NULL AND k.result <> 'duplicate'
LEFT JOIN orders_order o ON o.id = s.order_id AND o.status = 'pending'
ORDER BY s.number
"""
# The same line of the same bytes, settled when another mapping had read them: whatever it says now, it is settled.
_SETTLED_BEFORE = """ OR EXISTS (
      SELECT 1 FROM payments_statementline e WHERE e.statement_id IN ({earlier}) AND e.number = s.number
        AND e.outcome <> '')"""
# PostgreSQL would hash all payments a second time for the few lines that our number did not find.
_BY_TRADE = {
    "postgresql": """LEFT JOIN LATERAL (
      SELECT c.id, c.order_id, c.status, c.amount, c.provider_reference FROM payments_payment c
      WHERE a.id IS NULL AND t.provider_reference <> '' AND c.provider_reference = t.provider_reference
        AND c.provider_reference <> '' AND c.account_id = %(account)s LIMIT 1
    ) b ON true""",
    "sqlite": """LEFT JOIN payments_payment b ON a.id IS NULL AND t.provider_reference <> ''
      AND b.provider_reference = t.provider_reference AND b.provider_reference <> '' AND b.account_id = %(account)s""",
}
_MISSING_THERE = """
INSERT INTO payments_statementline (statement_id, account_id, number, kind, reference, provider_reference,
  refund_reference, amount, occurred_at, sha256, identity, result, payment_id, outcome, note)
SELECT %(statement)s, %(account)s, NULL, 'payment', p.reference, p.provider_reference, '', p.amount, p.paid_at, '',
  {identity}, 'missing_there', p.id, '', ''
FROM payments_payment p
WHERE p.account_id = %(account)s AND p.status IN ('paid', 'refunded')
  AND p.paid_at >= %(start)s AND p.paid_at < %(end)s
  AND NOT EXISTS (
    SELECT 1 FROM payments_statementline l WHERE l.payment_id = p.id AND l.number IS NOT NULL AND l.kind = 'payment'
      AND l.note <> 'read_again'
  )
ORDER BY p.id
"""
_IDENTITY = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
# Past the limit of ordinary statements; the memory is for one hash table.
_ROOM = ("SET LOCAL statement_timeout = '15min'", "SET LOCAL work_mem = '64MB'")


def match(statement: Statement) -> None:
    """Write the lines of a staged file with their results and the statement's counts (not saved). In a transaction.

    Readings of the same bytes by another mapping are superseded. Raises `Refused` (read_again) where a newer one is there.
    """
    earlier = supersede(statement)
    settled_before = _SETTLED_BEFORE.format(earlier=", ".join(map(str, earlier))) if earlier else ""
    values: dict[str, Any] = {
        "statement": statement.pk,
        "account": statement.account_id,
        "attempt": statement.attempts,
    }
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for sql in _ROOM:
                cursor.execute(sql)
        sql = _MATCH.format(by_trade=_BY_TRADE[connection.vendor], settled_before=settled_before)
        cursor.execute(sql, values)
        if cursor.rowcount < statement.lines_read:
            # An unlogged table is empty after a crash of the server: less than was read must not count as matched.
            raise OperationalError(f"{cursor.rowcount} of {statement.lines_read} staged lines are there")
        if statement.period_from and statement.period_to:
            period = {"start": _stored(statement.period_from), "end": _stored(statement.period_to)}
            sql = _MISSING_THERE.format(identity=_IDENTITY[connection.vendor])
            cursor.execute(sql, {**values, **period})
    for name, number in counts(statement).items():
        setattr(statement, name, number)


def supersede(statement: Statement) -> list[int]:
    """Supersede the account's other readings of these bytes, and return their ids. Call inside a transaction.

    What was settled from them stays. Their open lines become duplicates, so that nothing is settled twice.
    """
    same = Statement.objects.filter(account_id=statement.account_id, sha256=statement.sha256)
    others = same.exclude(pk=statement.pk).filter(status=StatementStatus.MATCHED)
    found = list(others.order_by("id").select_for_update(no_key=True).values_list("id", "superseded_by"))
    newer = [pk for pk, _by in found if pk > statement.pk]
    if newer:
        raise Refused("read_again", statement=newer[-1])
    standing = [pk for pk, by in found if by is None]
    Statement.objects.filter(pk__in=standing).update(superseded_by=statement)
    lines = StatementLine.objects.filter(statement_id__in=standing, outcome="").exclude(
        result=Result.DUPLICATE
    )
    lines.update(result=Result.DUPLICATE, note=StatementLine.Note.READ_AGAIN)
    return [pk for pk, _by in found]


def counts(statement: Statement) -> Mapping[str, int]:
    """Return the number of lines per result."""
    rows = statement.lines.values_list("result").order_by("result").annotate(number=Count("pk"))
    found = dict(rows)
    return {result: found.get(result, 0) for result in StatementLine.Result.values}


def _stored(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
