"""XLS workbooks, read by calamine in a process of its own: what it takes in memory and time is bounded from outside.

Calamine holds a sheet in memory as one rectangle, from its first cell to its last: a small file may ask for half a
gigabyte. Its process may fail, be killed or come to an end too late; the file is then refused and the worker goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.readers.tables.rows import MAX_COLUMNS, Cell, Row
from payments.reconciliation.refusals import Refused

_PROGRAM = Path(__file__).with_name("calamine_process.py")
_LONGEST_ROW = 4 * 1024 * 1024


class OldWorkbook:
    """See `tables.Table`."""

    encoding, delimiter, is_ended = "", "", True

    def __init__(self, source: OpenedBill) -> None:
        self._source = source

    def rows(self) -> Iterator[Row]:
        self._source.raw.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM), str(MAX_COLUMNS)],
            stdin=self._source.raw,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
        )
        assert process.stdout is not None  # a pipe was asked for
        try:
            yield from self._read(process.stdout)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def _read(self, output: IO[bytes]) -> Iterator[Row]:
        """The last line says that all was read: without it the process died."""
        sheet, name, before, number = -1, "", 0, 0
        while line := output.readline(_LONGEST_ROW):
            said = _loaded(line)
            if isinstance(said, list):
                number += 1
                place = f"{name} {number}" if sheet else ""
                self._source.line = before + number
                yield Row(before + number, tuple(map(_cell, said)), place, sheet)
            elif "sheet" in said:
                before, number = before + number, 0
                sheet, name = sheet + 1, said["sheet"]
            elif said.get("done"):
                return
            else:
                raise Refused(said["refused"])
        raise Refused("broken_file")

    def is_formula(self, row: Row, position: int) -> bool:
        """An old workbook always keeps the value beside the formula."""
        return False


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise Refused("broken_file") from error


def _cell(value: Any) -> Cell:
    """A date travels in a list of one."""
    return datetime.fromisoformat(value[0]) if isinstance(value, list) else value
