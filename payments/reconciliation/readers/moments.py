"""Times in a bank's file: texts in the mapping's form, a workbook's dates, and the days that it counts from 1899."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ordersite.lib.china_time import BEIJING
from payments.models.statement_mapping import time_form_problem
from payments.reconciliation.readers.tables.rows import Cell, folded
from payments.reconciliation.refusals import Refused

_EPOCH = datetime(1899, 12, 30, tzinfo=BEIJING)
# 2009 to 2091 as days: neither a year nor a day written in digits is among them.
_SERIAL = range(40_000, 70_000)
_YEARS = range(2000, 2101)
_ISO = {"%Y-%m-%d %H:%M:%S": 19, "%Y-%m-%d": 10}
# A time of day that stands in a column of its own: digits alone lost their first zero in a spreadsheet.
_CLOCK = re.compile(
    r"([0-9]{1,2})[:.时]([0-9]{2})(?:[:.分]([0-9]{2})(?:\.[0-9]{1,9}|秒)?|分)?|([0-9]{5,6})", re.ASCII
)
# What Java prints behind the seconds of a time stamp.
_FRACTION = re.compile(r"(:[0-9]{2})\.[0-9]{1,9}$")
_REMEMBERED = 10_000


class Moments:
    """Reads the cells of one column; remembers what it has read, since a day stands on many lines."""

    def __init__(self, form: str) -> None:
        """Raises `Refused` (no_year, zone_in_form, bad_form)."""
        if form and (problem := time_form_problem(form)):
            raise Refused(problem, form=form)
        self._form, self._iso = form, _ISO.get(form, 0)
        self._known: dict[str, datetime | None] = {}

    def read(self, cell: Cell) -> datetime | None:
        """Return the time, aware, or None for what is none."""
        if isinstance(cell, datetime):
            return _plausible(cell.replace(tzinfo=BEIJING))
        text = folded(cell)
        if text not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = self._text(text) or self._serial(cell)
        return self._known[text]

    def _text(self, text: str) -> datetime | None:
        if not text or not self._form:
            return None
        try:
            if self._iso == len(text):
                return _plausible(datetime.fromisoformat(text).replace(tzinfo=BEIJING))
            whole = _FRACTION.sub(r"\1", text) if self._form.endswith("%S") else text
            return _plausible(datetime.strptime(f"{whole} +0800", f"{self._form} %z"))
        except ValueError:
            return None

    @staticmethod
    def _serial(cell: Cell) -> datetime | None:
        if isinstance(cell, int | float) and int(cell) in _SERIAL:
            seconds = round(cell * 86_400)
            return _EPOCH + timedelta(seconds=seconds)
        return None


def _plausible(at: datetime) -> datetime | None:
    return at if at.year in _YEARS and at.astimezone(UTC).year else None


def clock_of(cell: Cell) -> timedelta | None:
    """Return the time of day that a cell holds, as what has passed since midnight; None for what is none.

    A workbook holds it as a time, as a fraction of a day, or as a text.
    """
    if isinstance(cell, datetime):
        cell = f"{cell:%H:%M:%S}"
    elif isinstance(cell, float) and 0 <= cell < 1:
        return timedelta(seconds=round(cell * 86_400))
    found = _CLOCK.fullmatch(folded(cell))
    if found is None:
        return None
    parts = found.groups()
    if parts[3]:
        digits = parts[3].zfill(6)
        parts = (digits[:2], digits[2:4], digits[4:], None)
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    is_time = hours < 24 and minutes < 60 and seconds < 60
    return timedelta(hours=hours, minutes=minutes, seconds=seconds) if is_time else None
