"""Formats log records as text or as JSON, with their extra fields and without personal data.

Phone numbers are masked, and what PostgreSQL quotes of a row is left out, in messages, extra fields and tracebacks. The
hooks do the same for errors that nobody catches, which Python would print as they are. Every process of the product (web,
workers, beat, the clock service, commands) writes by `logging_settings`.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from types import TracebackType
from typing import Any

from django.http import UnreadablePostError
from pythonjsonlogger.json import JsonFormatter

from ordersite.lib import tracebacks
from ordersite.lib.masking import mask_phones
from ordersite.server.request_id import RequestIdFilter

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}
# Never masked: eleven of its digits may look like a phone number.
_REQUEST_ID = "request_id"
_SERVER_ERROR = 500
FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_uncaught = logging.getLogger("ordersite.uncaught")


def logging_settings(*, level: str, form: str) -> dict[str, Any]:
    """Return Django's LOGGING: one handler, to the standard error output, in one of the FORMATS."""
    formatter = {"text": LineFormatter, "json": JsonLineFormatter}[form]
    logging.captureWarnings(form == "json")  # printed as they are, they take two lines
    passed_on: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "filters": {"mask": {"()": MaskFilter}, "request_id": {"()": RequestIdFilter}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["mask", "request_id"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "httpx2": {"level": "WARNING"},
            "httpcore2": {"level": "WARNING"},
            # Django's own handlers print and mail records that no filter has seen; its SQL log holds every value.
            "django": {"handlers": [], "level": "INFO"},
            "django.server": {**passed_on, "level": "INFO"},
            "django.db.backends": {"level": "INFO"},
            # What the web server says inside its workers; its main process is told by `--log-config`.
            "_granian": passed_on,
        },
    }


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
    """`2026-11-22T14:02:11+0800 INFO payments.drain applied {"rows": 200} request_id=5f0c…` (the last in a request)"""

    default_time_format = "%Y-%m-%dT%H:%M:%S%z"
    default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and _plain(value)}
        request_id = extra.pop(_REQUEST_ID, "")
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {clean(record.getMessage())}"
        if extra:
            line += " " + clean(json.dumps(extra, ensure_ascii=False, default=str))
        if request_id:
            line += f" request_id={request_id}"
        if record.exc_info and record.exc_info[1]:
            line += "\n" + mask_phones(tracebacks.formatted(record.exc_info[1]))
        return line


class JsonLineFormatter(JsonFormatter):
    """`{"time": "2026-11-22T14:02:11+0800", "level": "INFO", "logger": "payments.drain", "message": "applied"}`

    One line for each record: a traceback is the text of `exc_info`, its line ends escaped. The id of a request is
    `request_id`, where there is one.
    """

    default_time_format = LineFormatter.default_time_format
    default_msec_format = ""

    def __init__(self) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        super().__init__(
            ("asctime", "levelname", "name", "message"),
            rename_fields=names,
            reserved_attrs=sorted(_STANDARD),
            json_ensure_ascii=False,
        )

    def formatException(self, ei: Any) -> str:
        return mask_phones(tracebacks.formatted(ei[1])) if ei[1] else ""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Drop what is no plain value, as the text form does, and clean every text."""
        found = {key: value for key, value in log_data.items() if _plain(value) and value not in ("", None)}
        return {
            key: clean(value) if isinstance(value, str) and key != _REQUEST_ID else value
            for key, value in found.items()
        }


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | type(None))


def install_hooks(form: str = "text") -> None:
    """Write errors that nobody catches without row data: those of commands and of threads. As JSON they are records."""
    is_json = form == "json"
    sys.excepthook = _log_uncaught if is_json else _print_uncaught
    threading.excepthook = _log_uncaught_in_thread if is_json else _print_uncaught_in_thread


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


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _uncaught.critical("uncaught error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = args.thread.name if args.thread else "?"
        _uncaught.critical(
            "uncaught error in a thread",
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
            extra={"in_thread": name},
        )
