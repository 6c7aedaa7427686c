"""Exports differences as CSV: streamed, and safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from ordersite.lib.files.csv_export import csv_lines
from ordersite.lib.money import format_amount
from payments.models import PaymentNotification, StatementLine

_AT_ONCE = 2000


def difference_csv(lines: QuerySet[StatementLine]) -> Iterator[str]:
    """Yield the lines as CSV, in the current language and the shop's time zone."""
    return csv_lines(_rows(lines))


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
