"""What the reading page says of each field of a mapping: why it is doubtful, and what its choices are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.china_time import BEIJING
from payments.reconciliation.readers.guess import Doubt, times
from payments.reconciliation.refusals import MESSAGES, message_of

DOUBTS: Mapping[str, Promise] = {
    "day_and_month": _("%(text)s is read as %(taken)s; it could be %(other)s."),
    "several_forms": _("The times stand in more than one form."),
    "unusual_column": _("Recognised by its content only."),
    "other_columns": _("%(columns)s could be meant, too."),
    "fen": _("The amounts are read as fen."),
    "decimal_mark": _("A mark before three digits is read as one of thousands."),
    "no_reference": _("No column holds our numbers: lines are matched by the bank's number alone."),
    "inside_text": _(
        "Our number stands inside a text: what is found there is proposed to a person, never settled by itself."
    ),
    "no_direction": _("Nothing says which way money went: each line is taken as paid."),
    "foreign_currency": _("Lines in %(words)s are no yuan and settle nothing."),
}
KINDS: Mapping[str, Promise] = {
    "payment_words": pgettext_lazy("kind of line", "paid"),
    "refund_words": pgettext_lazy("kind of line", "money out, refund"),
    "ignored_words": pgettext_lazy("kind of line", "left out"),
}
STATES: Mapping[str, Promise] = {
    "paid": pgettext_lazy("state of line", "money moved"),
    "unpaid": pgettext_lazy("state of line", "no money moved"),
}
_SHOWN_TIME = datetime(2026, 11, 28, 21, 14, 15, tzinfo=BEIJING)


def explain(doubt: Doubt) -> str:
    """Return the reason for a doubt in the current language."""
    if doubt.code in MESSAGES:
        return message_of({"code": doubt.code, "params": doubt.params})
    return str(DOUBTS[doubt.code]) % doubt.params


def time_choices(moments: Iterable[str], *more: str) -> list[tuple[str, str]]:
    """Return the forms of times that fit the file, each shown by an example; the usual ones where none fits."""
    texts = list(moments)
    fitting = times.common_forms(texts) or times.forms_of(texts[0] if texts else "")
    forms = dict.fromkeys((*filter(None, more), *(fitting or times.USUAL)))
    return [(form, _time_label(form, texts)) for form in forms]


def _time_label(form: str, texts: list[str]) -> str:
    """A form as it writes the same time; of a time in the file also the day that it gives."""
    shown = _SHOWN_TIME.strftime(form)
    if not texts:
        return shown
    try:
        return f"{shown} ({texts[0]} → {times.read(texts[0], form):%Y-%m-%d})"
    except ValueError:
        return shown
