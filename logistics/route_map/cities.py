"""Finds cities of China in what couriers write, and where they lie: `docs/decisions/` says where the table is from."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("cities.csv")
# «吉林,长春市» begins with the province.
_PROVINCES = frozenset({"吉林", "海南"})
# A short name before one of these is part of another name: 朝阳区, 南京路.
_NOT_BEFORE = r"(?![省区县镇乡路街道村旗州盟])"
# The short name of a smaller city counts where a courier's place is named after it alone.
_ONLY_BEFORE = r"(?=转运|集散|分拨|中转|集运|中心|营业|公司|网点|$)"
# What stands in the first brackets of a text is its place: 【深圳市】快件离开【深圳转运中心】.
_BRACKETS = re.compile(r"[【\[]([^】\]]{1,40})[】\]]")


@dataclass(frozen=True, slots=True)
class Place:
    """A city of the table; `name` is its full name, `short` that on a drawing. Degrees, east and north."""

    name: str
    short: str
    longitude: float
    latitude: float


def find_city(location: str, text: str = "") -> Place | None:
    """The first city in an event's location, else in the first brackets of its text; None where neither names one."""
    return _first_in(location) or _first_in(_bracketed(text))


def _bracketed(text: str) -> str:
    found = _BRACKETS.search(text)
    return found[1] if found else ""


def _first_in(text: str) -> Place | None:
    found = _pattern().search(text) if text else None
    return _places()[found[0]] if found else None


@cache
def _rows() -> tuple[tuple[str, Place], ...]:
    """The level and the place of each row, in the order of the table: a prefecture before its cities."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(
            (row["level"], Place(row["name"], row["short"], float(row["longitude"]), float(row["latitude"])))
            for row in csv.DictReader(file)
        )


@cache
def _places() -> Mapping[str, Place]:
    """Places by full and by short name."""
    found: dict[str, Place] = {place.name: place for _level, place in _rows()}
    for _level, place in _rows():
        found.setdefault(place.short, place)
    return found


@cache
def _pattern() -> re.Pattern[str]:
    """Every name that counts, the longest first."""
    return re.compile("|".join(text for _name, text in sorted(_names(), key=lambda pair: -len(pair[0]))))


def _names() -> Iterator[tuple[str, str]]:
    for level, place in _rows():
        yield place.name, re.escape(place.name)
        if place.short not in _PROVINCES and len(place.short) > 1:
            around = _NOT_BEFORE if level == "city" else _ONLY_BEFORE
            yield place.short, re.escape(place.short) + around
