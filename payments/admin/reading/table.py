"""The first lines of a file as they would be read, for the reading page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from ordersite.lib.money import display_amount, yuan
from payments.models import Payment, PaymentAccount, StatementLine
from payments.reconciliation.readers.base import LEFT_OUT, BillLine
from payments.reconciliation.refusals import message_of
from payments.reconciliation.sample import Sample, SampleLine

_COLUMNS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (_("line"), ()),
    (_("occurred at"), ("time_column", "date_format")),
    (_("kind"), ("kind_column", "status_column")),
    (_("amount"), ("amount_column", "amount_in_column", "amount_out_column", "unit", "decimal_mark", "currency_column")),
    (_("our number"), ("reference_column",)),
    (_("their number"), ("provider_reference_column",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table: its text, a second line, and whether somebody should look at it."""

    text: str
    more: str = ""
    is_doubtful: bool = False
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of the table; `problem` says why the line cannot be read, `raw` what stands in it."""

    number: str
    cells: Sequence[tuple[str | Promise, Cell]]
    problem: str = ""
    raw: str = ""


def headings(sample: Sample) -> list[tuple[str | Promise, bool]]:
    return [(title, _is_doubtful(sample, names)) for title, names in _COLUMNS]


def rows(sample: Sample, account: PaymentAccount) -> list[ShownRow]:
    """Return the first lines; those about an attempt of ours name its order."""
    numbers = {line.line.reference for line in sample.lines if line.line and line.line.reference}
    payments = Payment.objects.filter(account=account, reference__in=numbers).select_related("order")
    orders = {payment.reference: payment.order.number for payment in payments}
    return [_row(line, sample, orders) for line in sample.lines]


def _row(shown: SampleLine, sample: Sample, orders: Mapping[str, str]) -> ShownRow:
    if shown.line is None:
        problem = message_of(shown.problem) or pgettext("kind of line", "left out")
        return ShownRow(shown.number, (), problem=problem, raw=" · ".join(filter(None, shown.cells)))
    doubtful = [_is_doubtful(sample, names) for _title, names in _COLUMNS]
    cells = [
        Cell(cell.text, cell.more, is_doubtful, cell.is_right)
        for cell, is_doubtful in zip(_cells(shown, shown.line, orders), doubtful, strict=True)
    ]
    titles = [title for title, _names in _COLUMNS]
    return ShownRow(shown.number, list(zip(titles, cells, strict=True)))


def _cells(shown: SampleLine, line: BillLine, orders: Mapping[str, str]) -> list[Cell]:
    moment = timezone.localtime(line.occurred_at) if line.occurred_at else None
    order = orders.get(line.reference, "")
    return [
        Cell(shown.number),
        Cell(f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "–"),
        _kind(line),
        Cell(display_amount(yuan(line.fen)), is_right=True),
        Cell(line.reference or "–", order),
        Cell(line.provider_reference or "–", line.refund_reference),
    ]


def _kind(line: BillLine) -> Cell:
    note = str(dict(StatementLine.Note.choices).get(line.note, ""))
    if line.note == LEFT_OUT:
        return Cell(note)
    return Cell(str(StatementLine.LineKind(line.kind).label), note)


def _is_doubtful(sample: Sample, names: Sequence[str]) -> bool:
    return any(name in sample.doubts for name in names)
