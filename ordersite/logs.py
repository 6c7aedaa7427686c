"""Formats log records as one line each, with their extra fields and without personal data.

Phone numbers are masked, and what PostgreSQL quotes of a row is left out, in messages, extra fields and tracebacks. The
hooks do the same for errors that nobody catches, which Python would print as they are.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from types import TracebackType

from django.http import UnreadablePostError

from ordersite.lib import tracebacks
from ordersite.lib.masking import mask_phones

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}
_SERVER_ERROR = 500


def clean(text: str) -> str:
    """Return the text with phone numbers masked and without PostgreSQL's details."""
    return mask_phones(tracebacks.without_rows(text))


class MaskFilter(logging.Filter):
    """Formats and cleans a record before any handler sees it.

    The traceback of what a caller did wrong (a status below 500, a body that broke off) is left out: it would say where
    Django raises, and anybody could fill the log with it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = clean(record.getMessage()), ()
        error = record.exc_info[1] if record.exc_info else None
        if (
            isinstance(error, UnreadablePostError)
            or getattr(record, "status_code", _SERVER_ERROR) < _SERVER_ERROR
        ):
            record.exc_info = error = None
        record.exc_text = mask_phones(tracebacks.formatted(error)) if error else None
        return True


class LineFormatter(logging.Formatter):
    """`2026-11-22T14:02:11+0800 INFO payments.drain applied {"rows": 200}`"""

    default_time_format = "%Y-%m-%dT%H:%M:%S%z"
    default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and _plain(value)}
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {clean(record.getMessage())}"
        if extra:
            line += " " + clean(json.dumps(extra, ensure_ascii=False, default=str))
        if record.exc_info and record.exc_info[1]:
            line += "\n" + mask_phones(tracebacks.formatted(record.exc_info[1]))
        return line


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | type(None))


def install_hooks() -> None:
    """Print errors that nobody catches without row data: those of commands and of threads."""
    sys.excepthook = _print_uncaught
    threading.excepthook = _print_uncaught_in_thread


def _print_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(mask_phones(tracebacks.formatted(error)) + "\n")


def _print_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = args.thread.name if args.thread else "?"
        text = mask_phones(tracebacks.formatted(args.exc_value))
        sys.stderr.write(f"Exception in thread {name}:\n{text}\n")
