"""Saved mappings: how a bank's own file is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NO_YEAR, ZONE_IN_FORM, BAD_FORM = "no_year", "zone_in_form", "bad_form"
TIME_FORM_WORDS: dict[str, _StrPromise] = {
    NO_YEAR: _("The form of times has no year."),
    ZONE_IN_FORM: _("The form of times has a zone: times are Beijing time."),
    BAD_FORM: _("The form of times is not one."),
}
_MOMENT = datetime(2026, 11, 28, 21, 14, 15)  # noqa: DTZ001  # only its day is looked at


def words_of(words: str | Iterable[str]) -> frozenset[str]:
    """Return the words of a stored list: one a line. A single line without an end is a list separated by blanks.

    That single line was the form of all lists once: `借 Dr` means 借 and Dr, and also the cell `借 Dr`.
    """
    if not isinstance(words, str):
        return frozenset(word.strip() for word in words if word.strip())
    if "\n" in words:
        return frozenset(line.strip() for line in words.splitlines() if line.strip())
    return frozenset(filter(None, (words.strip(), *words.split())))


class WordsField(models.TextField):
    """Words, one a line, each of which may hold blanks; takes a list as well. Read it with `words_of`."""

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return super().get_prep_value((value or "").replace("\r\n", "\n"))
        return super().get_prep_value("".join(f"{word}\n" for word in value))


def time_form_problem(form: str) -> str:
    """Return why a form in the letters of strftime gives no day: no_year, zone_in_form, bad_form; "" for a good one."""
    if re.search(r"%[zZ]", form):
        return ZONE_IN_FORM
    try:
        back = datetime.strptime(_MOMENT.strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error):
        return BAD_FORM
    if back.year != _MOMENT.year:
        return NO_YEAR
    return "" if back.date() == _MOMENT.date() else BAD_FORM


def check_time_form(form: str) -> None:
    """Raise ValidationError for a form of times that has no year, has a zone or is none."""
    if problem := time_form_problem(form):
        raise ValidationError(TIME_FORM_WORDS[problem], code=problem)


def _column(label: str | _StrPromise) -> models.CharField:
    return models.CharField(label, max_length=60, default="", db_default="", blank=True)


def _words(label: str | _StrPromise, help_text: str | _StrPromise = "") -> WordsField:
    return WordsField(label, default="", db_default="", blank=True, help_text=help_text)


class StatementMapping(models.Model):
    """How to read a bank's own file: columns by the words of its header line. Times in the file are Beijing time.

    What is blank is found out from each file. Money comes as one signed column, or as two columns for in and out. Money
    that left is never a payment. A kind or state whose word is in no list and not generally known refuses the file.
    """

    class Unit(models.TextChoices):
        YUAN = "yuan", pgettext_lazy("unit of money", "yuan")
        FEN = "fen", pgettext_lazy("unit of money", "fen")

    class Encoding(models.TextChoices):
        UTF8 = "utf-8-sig", "UTF-8"
        GB18030 = "gb18030", "GBK / GB18030"
        UTF16 = "utf-16", "UTF-16"
        WESTERN = "cp1252", "Windows-1252"

    class Delimiter(models.TextChoices):
        COMMA = ",", _("comma")
        SEMICOLON = ";", _("semicolon")
        TAB = "\t", _("TAB")
        BAR = "|", _("vertical bar")

    class DecimalMark(models.TextChoices):
        POINT = ".", _("point")
        COMMA = ",", _("comma")

    name = models.CharField(_("name"), max_length=60, unique=True)
    encoding = models.CharField(
        _("encoding"), max_length=10, choices=Encoding.choices, default="", blank=True
    )
    delimiter = models.CharField(
        _("delimiter"), max_length=1, choices=Delimiter.choices, default="", blank=True
    )
    skip_lines = models.PositiveSmallIntegerField(_("lines before the header"), default=0)
    date_format = models.CharField(
        _("form of times"),
        max_length=40,
        default="",
        blank=True,
        validators=[check_time_form],
        help_text=_("In the letters of strftime. Times are Beijing time."),
    )
    unit = models.CharField(_("unit of amounts"), max_length=4, choices=Unit.choices, default="", blank=True)
    decimal_mark = models.CharField(
        _("decimal mark"), max_length=1, choices=DecimalMark.choices, default="", db_default="", blank=True
    )
    currency = models.CharField(_("currency"), max_length=3, default="", db_default="", blank=True)
    amount_column = _column(_("column of the amount"))
    amount_in_column = _column(_("column of money in"))
    amount_out_column = _column(_("column of money out"))
    time_column = _column(_("column of the time"))
    reference_column = _column(_("column of our number"))
    provider_reference_column = _column(_("column of their number"))
    refund_reference_column = _column(_("column of the refund's number"))
    kind_column = _column(_("column of the kind"))
    payment_words = _words(_("words that mean a payment"), _("One a line."))
    refund_words = _words(
        _("words that mean a refund"),
        _("One a line. Without a kind column a negative amount is a refund."),
    )
    ignored_words = _words(_("words of lines to leave out"), _("One a line."))
    status_column = _column(_("column of the state"))
    status_words = _words(
        _("states that mean money"), _("One a line. Lines in any other state moved no money.")
    )
    currency_column = _column(_("column of the currency"))
    account_column = _column(_("column of the account's number"))
    account_value = models.CharField(
        _("account's number"),
        max_length=60,
        default="",
        blank=True,
        help_text=_("A file with another number in that column is refused."),
    )

    class Meta:
        verbose_name = _("statement mapping")
        verbose_name_plural = _("statement mappings")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def digest(self) -> str:
        """Return 32 hex digits that change with everything this mapping says, its name apart."""
        said = {
            field.attname: field.get_prep_value(getattr(self, field.attname))
            for field in self._meta.concrete_fields
            if field.attname not in ("id", "name")
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]
