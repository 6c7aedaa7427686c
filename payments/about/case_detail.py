"""What a case keeps of what was seen and of what we knew, in the reader's words: names, sums, no codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.money import display_amount
from payments.about.labels import answer_label
from payments.models import PaymentException, StatementLine
from payments.provider_calls.labels import error_label
from payments.providers.errors import REJECTIONS
from payments.providers.types import UpdateKind
from payments.refunds import labels as refund_labels

LABELS: Mapping[str, Promise] = {
    "kind": _("kind"),
    "amount": _("amount received"),
    "expected_amount": _("amount expected"),
    "currency": _("currency received"),
    "expected_currency": _("currency expected"),
    "reference": _("merchant reference"),
    "provider_reference": _("provider's reference"),
    "known_provider_reference": _("provider's reference on record"),
    "refund_reference": _("refund reference"),
    "refund_amount": _("amount of this refund"),
    "refunded_total": _("refunded in all"),
    "account_problem": _("account problem"),
    "last_answer": _("last answer"),
    "code": _("reason"),
    "error": _("problem"),
    "difference": _("result"),
    "statement_line": _("statement line"),
    "note": _("note"),
    "lines": _("statement lines"),
    "statement": _("statement"),
    "bill_of": _("bill of the day"),
    "paid_by": _("the order was paid by"),
}
# In a case about a refund the other sums are those of the payment that it belongs to.
_OF_A_REFUND: Mapping[str, Promise] = {
    "amount": _("amount of the payment, as they say"),
    "expected_amount": _("amount of the payment"),
}
UPDATE_KINDS: Mapping[str, Promise] = {
    UpdateKind.PAYMENT: _("payment"),
    UpdateKind.PAID_REFUNDED: _("payment, refunded since"),
    UpdateKind.REFUND: _("refund"),
    UpdateKind.REFUND_FAILED: _("refund failed"),
    UpdateKind.REFUND_ABNORMAL: _("refund stuck at the provider"),
    UpdateKind.CLOSED: _("closed"),
    UpdateKind.OTHER: _("not about money"),
    UpdateKind.UNCLEAR: _("unclear message about money"),
}
_REFUND_KINDS = frozenset({UpdateKind.REFUND, UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL})
# The code is `wrong_` and the name of the setting at the provider.
ACCOUNT_PROBLEMS: Mapping[str, Promise] = {
    "wrong_app_id": _("The application (app_id) is not the one of this account."),
    "wrong_seller_id": _("The seller (seller_id) is not the one of this account."),
    "wrong_appid": _("The application (appid) is not the one of this account."),
    "wrong_mchid": _("The merchant number (mchid) is not the one of this account."),
    "wrong_mer_id": _("The merchant number (merId) is not the one of this account."),
}


def detail_rows(case: PaymentException) -> list[tuple[str | Promise, object]]:
    """The names and values of a case, in the order in which they were kept."""
    is_refund = case.detail.get("kind") in _REFUND_KINDS
    labels = {**LABELS, **_OF_A_REFUND} if is_refund else LABELS
    rows = [
        (labels.get(key, key), _value(key, value)) for key, value in case.detail.items() if key != "lines"
    ]
    return [*rows, (LABELS["lines"], _lines(case))] if "lines" in case.detail else rows


def _value(key: str, value: Any) -> object:
    return _VALUES[key](str(value)) if key in _VALUES else value


def _sum(value: str) -> str:
    """Sums are kept as text with two decimals."""
    try:
        return display_amount(Decimal(value))
    except InvalidOperation:
        return value


def _last_answer(value: str) -> str:
    """Of a query, or of a refund: those begin with the state of a refund."""
    as_refund = refund_labels.answer_label(value)
    return as_refund if as_refund != value else answer_label(value)


def _line(value: str) -> object:
    number = int(value) if value.isdigit() else None
    return badges.link(f"#{value}", "admin:payments_statementline_change", number)


def _lines(case: PaymentException) -> SafeString:
    """How many lines stand in the case, with the way to them."""
    address = f"{reverse('admin:payments_statementline_changelist')}?{urlencode({'case': case.pk})}"
    return format_html('<a class="os-link" href="{}">{}</a>', address, f"{case.detail['lines']:,}")


def _named(names: Mapping[str, Promise | str]) -> Callable[[str], object]:
    return lambda value: names.get(value, value)


_VALUES: Mapping[str, Callable[[str], object]] = {
    "kind": _named(UPDATE_KINDS),
    "amount": _sum,
    "expected_amount": _sum,
    "refund_amount": _sum,
    "refunded_total": _sum,
    "account_problem": _named(ACCOUNT_PROBLEMS),
    "last_answer": _last_answer,
    "code": _named(REJECTIONS),
    "difference": _named(dict(StatementLine.Result.choices)),
    "error": error_label,
    "note": _named(dict(StatementLine.Note.choices)),
    "statement_line": _line,
}
