"""The forms in which banks write times, recognised by their shape and named in the letters of strftime.

A form without a year, or with a zone, is none: a bank's times are Beijing time, and a year is never assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

# Days since 1899-12-30, as a workbook stores a date: 1998 to 2064.
SERIAL_DAYS = range(36_000, 60_001)
_CLOCK = r"(?P<gap>[ T_-]{0,2})(?P<clock>[0-9][0-9:.时分秒]*(?: ?[APap][Mm])?)?"
_SHAPES = (
    (r"[0-9]{4}(?P<sep>[-/.])[0-9]{1,2}(?P=sep)[0-9]{1,2}", ("%Y{sep}%m{sep}%d",)),
    (r"[0-9]{4}年[0-9]{1,2}月[0-9]{1,2}日", ("%Y年%m月%d日",)),
    (r"(?:19|20)[0-9]{6}", ("%Y%m%d",)),
    (r"[0-9]{1,2}(?P<sep>[-/.])[0-9]{1,2}(?P=sep)[0-9]{4}", ("%d{sep}%m{sep}%Y", "%m{sep}%d{sep}%Y")),
    (
        r"[0-9]{1,2}(?P<sep>[-/.])[0-9]{1,2}(?P=sep)[0-9]{2}",
        ("%y{sep}%m{sep}%d", "%d{sep}%m{sep}%y", "%m{sep}%d{sep}%y"),
    ),
    (r"[0-9]{1,2}(?P<sep>[- ])[A-Za-z]{3}(?P=sep)[0-9]{4}", ("%d{sep}%b{sep}%Y",)),
    (r"[0-9]{1,2}(?P<sep>[- ])[A-Za-z]{3}(?P=sep)[0-9]{2}", ("%d{sep}%b{sep}%y",)),
    (r"[0-9]{1,2} [A-Za-z]{4,9} [0-9]{4}", ("%d %B %Y",)),
    (r"[A-Za-z]{3} [0-9]{1,2}, [0-9]{4}", ("%b %d, %Y",)),
)
_DAYS = [(re.compile(shape + _CLOCK, re.ASCII), forms) for shape, forms in _SHAPES]
_CLOCKS = (
    (re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}"), "%H:%M:%S"),
    (re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,6}"), "%H:%M:%S.%f"),
    (re.compile(r"[0-9]{1,2}:[0-9]{2}"), "%H:%M"),
    (re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2} [APap][Mm]"), "%I:%M:%S %p"),
    (re.compile(r"[0-9]{1,2}:[0-9]{2} [APap][Mm]"), "%I:%M %p"),
    (re.compile(r"[0-9]{6}"), "%H%M%S"),
    (re.compile(r"[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}"), "%H.%M.%S"),
    (re.compile(r"[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}\.[0-9]{1,6}"), "%H.%M.%S.%f"),
    (re.compile(r"[0-9]{1,2}时[0-9]{1,2}分"), "%H时%M分"),
    (re.compile(r"[0-9]{1,2}时[0-9]{1,2}分[0-9]{1,2}秒"), "%H时%M分%S秒"),
)
_YEARLESS = re.compile(
    r"[0-9]{1,2}(?:[-/.][0-9]{1,2}|月[0-9]{1,2}日)(?:[ T]+[0-9]{1,2}:[0-9:]{2,5})?", re.ASCII
)
# What a list offers where the file itself says nothing.
USUAL = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%Y%m%d %H:%M:%S", "%Y%m%d", "%Y%m%d%H%M%S",
    "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日", "%Y.%m.%d", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y",
    "%d.%m.%Y", "%d-%b-%Y",
)  # fmt: skip


def forms_of(text: str) -> list[str]:
    """Return the forms in which this text is a time, the likeliest first; none for what is no time with a year."""
    found = [
        form for day, forms in _DAYS if (shape := day.fullmatch(text)) for form in _spelled(shape, forms)
    ]
    return [form for form in found if _fits(text, form)]


def _spelled(shape: re.Match[str], days: tuple[str, ...]) -> Iterator[str]:
    parts = shape.groupdict()
    clock = parts["clock"] or ""
    if bool(parts["gap"]) and not clock:
        return
    clocks = [form for pattern, form in _CLOCKS if pattern.fullmatch(clock)] if clock else [""]
    for day in days:
        for ending in clocks:
            yield day.replace("{sep}", parts.get("sep") or "") + (parts["gap"] or "") + ending


def _fits(text: str, form: str) -> bool:
    try:
        return 2000 <= read(text, form).year < 2100
    except ValueError:
        return False


def is_yearless(text: str) -> bool:
    """Tell a day without a year, such as 11/28."""
    return _YEARLESS.fullmatch(text) is not None


def is_moment(value: Any) -> bool:
    """Tell a cell that holds a time: a workbook's date, a serial day, or a text in one of the forms."""
    if isinstance(value, date):
        return True
    if isinstance(value, float | int | Decimal):
        return int(value) in SERIAL_DAYS or bool(forms_of(str(value)))
    return isinstance(value, str) and bool(forms_of(tidy(value)))


def tidy(text: str) -> str:
    """Return the text of a time without what pads it."""
    return " ".join(text.strip("\t `'\"\u3000\xa0").split())


def common_forms(texts: Iterable[str]) -> list[str]:
    """Return the forms in which all these texts are times, the likeliest first.

    Between two orders of day and month, the one that keeps the days closer together comes first: a file covers days or
    weeks. Both are returned, because that is no proof.
    """
    values = list(dict.fromkeys(texts))
    if not values:
        return []
    forms = [form for form in forms_of(values[0]) if all(_fits(text, form) for text in values)]
    return sorted(forms, key=lambda form: _span(values, form))


def _span(values: list[str], form: str) -> timedelta:
    days = [read(text, form) for text in values]
    return max(days) - min(days)


def read(text: str, form: str) -> datetime:
    """Return the Beijing time that a text in this form is. Raises ValueError."""
    return datetime.strptime(f"{text} +0800", f"{form} %z")
