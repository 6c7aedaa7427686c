"""Export differences as CSV: streamed, and safe to open in a spreadsheet.

A cell that a spreadsheet would read as a formula gets an apostrophe in front, and so does one that already begins with an
apostrophe: removing one apostrophe restores the original.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from ordersite.lib.money import format_amount
from payments.models import PaymentNotification, StatementLine

TRIGGERS = tuple("=+-@\t\r\n＝＋－＠")  # the full-width forms, which spreadsheets take as well
_BOM = "\ufeff"
_AT_ONCE = 2000


def safe_cell(text: str) -> str:
    """Return the text so that a spreadsheet never reads it as a formula."""
    return f"'{text}" if text.startswith((*TRIGGERS, "'")) else text


def plain_cell(cell: str) -> str:
    """Return the original text of a `safe_cell`."""
    return cell.removeprefix("'")


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as CSV, every cell quoted and safe."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def difference_csv(lines: QuerySet[StatementLine]) -> Iterator[str]:
    """Yield the lines as CSV, in the current language and the shop's time zone."""
    yield _BOM
    yield from csv_lines(_rows(lines))


def _rows(lines: QuerySet[StatementLine]) -> Iterator[Sequence[str]]:
    yield (
        _("line number"), _("result"), _("kind"), _("amount"), _("merchant reference"), _("provider's reference"),
        _("refund reference"), _("occurred at"), _("order"), _("amount expected"), _("settlement"),
    )  # fmt: skip
    # By ranges of ids: a cursor of the server would live in a connection, which a pooler changes.
    after = 0
    while chunk := list(
        lines.filter(id__gt=after).select_related("payment__order").order_by("id")[:_AT_ONCE]
    ):
        yield from map(_cells, chunk)
        after = chunk[-1].pk


def _cells(line: StatementLine) -> Sequence[str]:
    payment = line.payment
    at = timezone.localtime(line.occurred_at).strftime("%Y-%m-%d %H:%M:%S") if line.occurred_at else ""
    outcome = str(PaymentNotification.Outcome(line.outcome).label) if line.outcome else ""
    return (
        str(line.number or ""),
        str(line.get_result_display()),
        str(line.get_kind_display()),
        format_amount(line.amount),
        line.reference,
        line.provider_reference,
        line.refund_reference,
        at,
        payment.order.number if payment else "",
        format_amount(payment.amount) if payment else "",
        outcome,
    )
