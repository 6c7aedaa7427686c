"""Workbooks old and new, written byte by byte or by openpyxl: nothing of the readers is used here.

XLS: a compound file ([MS-CFB]) with one stream of BIFF8 records ([MS-XLS]): LABEL for texts, NUMBER for figures and dates.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import openpyxl

_SECTOR = 512
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  # a workbook knows no zones
# Formats of cells: 0 is general, 1 is the built-in form of date and time.
_GENERAL, _MOMENT = 0, 1


def xlsx(*sheets: Sequence[Sequence[Any]], hidden: Sequence[int] = ()) -> bytes:
    book, target = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet{number + 1}")
        sheet.sheet_state = "hidden" if number in hidden else "visible"
        for row in rows:
            sheet.append(list(row))
    book.save(target)
    return target.getvalue()


def xls(*sheets: Sequence[Sequence[Any]], first_row: int = 0) -> bytes:
    return _compound({"Workbook": _book([_sheet(rows, first_row) for rows in sheets])})


def sealed() -> bytes:
    """A workbook with a password: its content is one encrypted stream."""
    return _compound({"EncryptedPackage": bytes(5000)})


def _record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _text(text: str, length: str = "<H") -> bytes:
    return struct.pack(length, len(text)) + b"\x01" + text.encode("utf-16-le")


def _beginning(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))


def _sheet(rows: Sequence[Sequence[Any]], first_row: int) -> bytes:
    cells = [
        _cell(row, column, value)
        for row, values in enumerate(rows, start=first_row)
        for column, value in enumerate(values)
        if value is not None
    ]
    return _beginning(0x0010) + b"".join(cells) + _record(0x000A)


def _cell(row: int, column: int, value: Any) -> bytes:
    if isinstance(value, str):
        return _record(0x0204, struct.pack("<HHH", row, column, _GENERAL) + _text(value))
    form = _MOMENT if isinstance(value, datetime) else _GENERAL
    figure = (value - _DAY_ZERO).total_seconds() / 86_400 if form else float(value)
    return _record(0x0203, struct.pack("<HHHd", row, column, form, figure))


def _book(sheets: Sequence[bytes]) -> bytes:
    formats = b"".join(_record(0x00E0, struct.pack("<HH", 0, one) + bytes(16)) for one in (0, 22))
    names = [f"Sheet{number}" for number in range(1, len(sheets) + 1)]
    size = len(_beginning(5) + formats + _record(0x000A)) + sum(12 + 2 * len(name) for name in names)
    places, at = [], size
    for sheet in sheets:
        places.append(at)
        at += len(sheet)
    bounds = [
        _record(0x0085, struct.pack("<IBB", place, 0, 0) + _text(name, "<B"))
        for place, name in zip(places, names, strict=True)
    ]
    return b"".join([_beginning(5), formats, *bounds, _record(0x000A), *sheets])


def _compound(streams: Mapping[str, bytes]) -> bytes:
    """One stream, padded past the size below which streams are kept elsewhere."""
    ((name, content),) = streams.items()
    padded = content.ljust(4096, b"\0")
    padded += bytes(-len(padded) % _SECTOR)
    sectors = len(padded) // _SECTOR
    tables = (sectors + 1) // 127 + 1
    chain = [*([_FAT] * tables), _END, *range(tables + 2, tables + 1 + sectors), _END]
    chain += [_FREE] * (tables * 128 - len(chain))
    directory = _entry("Root Entry", 5, child=1) + _entry(name, 2, start=tables + 1, size=len(padded))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    head += bytes(6) + struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, _END, 0, _END, 0)
    head += b"".join(struct.pack("<I", one) for one in [*range(tables), *([_FREE] * (109 - tables))])
    return head + b"".join(struct.pack("<I", one) for one in chain) + directory.ljust(_SECTOR, b"\0") + padded


def _entry(name: str, kind: int, *, child: int = _FREE, start: int = 0, size: int = 0) -> bytes:
    text = f"{name}\0".encode("utf-16-le")
    fields = struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
    return text.ljust(64, b"\0") + fields + bytes(36) + struct.pack("<IQ", start, size)
