"""Writes CSV that is safe to open in a spreadsheet.

A cell that a spreadsheet would read as a formula gets an apostrophe in front, and so does one that already begins with an
apostrophe: removing one apostrophe restores the original.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

TRIGGERS = tuple("=+-@\t\r\n＝＋－＠")  # the full-width forms, which spreadsheets take as well
_BOM = "\ufeff"


def safe_cell(text: str) -> str:
    """Return the text so that a spreadsheet never reads it as a formula."""
    return f"'{text}" if text.startswith((*TRIGGERS, "'")) else text


def plain_cell(cell: str) -> str:
    """Return the original text of a `safe_cell`."""
    return cell.removeprefix("'")


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a file of these rows, every cell quoted and safe; its mark tells spreadsheets that it is UTF-8."""
    yield _BOM
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def csv_download(lines: Iterable[str], name: str) -> StreamingHttpResponse:
    """Return these lines as a file to download, streamed."""
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
