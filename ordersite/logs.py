"""Formats log records as one line each, with their extra fields and with phone numbers masked."""

from __future__ import annotations

import json
import logging

from ordersite.lib.masking import mask_phones

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


class MaskFilter(logging.Filter):
    """Formats and masks a record before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask_phones(record.getMessage()), ()
        return True


class LineFormatter(logging.Formatter):
    """`2026-11-22T14:02:11+0800 INFO payments.drain applied {"rows": 200}`"""

    default_time_format = "%Y-%m-%dT%H:%M:%S%z"
    default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and _plain(value)}
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {record.getMessage()}"
        if extra:
            line += " " + mask_phones(json.dumps(extra, ensure_ascii=False, default=str))
        if record.exc_info:
            line += "\n" + mask_phones(self.formatException(record.exc_info))
        return line


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | type(None))
