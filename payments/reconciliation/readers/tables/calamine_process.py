"""Run by `old_workbooks`: read an XLS workbook from the standard input, write its rows as lines of JSON.

Imports nothing of ours and knows nothing of our settings. Its own bounds: memory, processor time, rows written.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

import python_calamine

MEMORY = 1024 * 1024 * 1024
SECONDS = 120
MOST_BYTES = 128 * 1024 * 1024
MOST_SHEETS = 50


def cell_of(value: Any) -> Any:
    """Return what JSON can carry: a date in a list of one, a whole figure as an integer, an empty cell as null."""
    if isinstance(value, dt.datetime):
        return [value.isoformat()]
    if isinstance(value, dt.date):
        return [f"{value.isoformat()}T00:00:00"]
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**18:
        return int(value)
    if isinstance(value, bool | dt.time | dt.timedelta):
        return str(value)
    return None if value == "" else value


def lines(content: bytes, most_columns: int) -> Iterator[Any]:
    """Yield a line for each visible sheet and one for each of its rows, then the closing one."""
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    visible = [
        one.name
        for one in book.sheets_metadata
        if one.visible == python_calamine.SheetVisibleEnum.Visible
        and one.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]
    for name in visible[:MOST_SHEETS]:
        yield {"sheet": name}
        for row in book.get_sheet_by_name(name).iter_rows():
            yield [cell_of(value) for value in row[:most_columns]]
    yield {"done": True}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        if len(content) > MOST_BYTES:
            raise MemoryError
        for line in lines(content, int(sys.argv[1])):
            sys.stdout.write(json.dumps(line) + "\n")
    except python_calamine.PasswordError:
        sys.stdout.write('{"refused": "encrypted"}\n')
    except MemoryError:
        sys.stdout.write('{"refused": "bomb"}\n')
    except Exception:
        sys.stdout.write('{"refused": "broken_file"}\n')


if __name__ == "__main__":
    main()
