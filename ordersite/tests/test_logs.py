"""No log shows the data of a row that PostgreSQL names in DETAIL; what callers do wrong is one line."""

from __future__ import annotations

import logging
import sys
from io import StringIO

import pytest
from celery import Celery, signals
from celery.app.log import Logging
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from orders.tests.builders import build_order
from ordersite.lib import tracebacks
from ordersite.logs import MaskFilter
from ordersite.tests.console_log import log

__all__ = ["log"]
NAME, PLACE = "金丝雀", "北京市朝阳区灯笼街"
BROKEN_FORM = b"no boundary here"
MANY_FIELDS = "&".join(f"a{n}=1" for n in range(2000))
logger = logging.getLogger("ordersite.tests")


def _fails(_request: HttpRequest) -> HttpResponse:
    fail_with_a_row()
    return HttpResponse()


def _forbids(_request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def _reads_a_form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.POST)))


urlpatterns = [path("fails/", _fails), path("forbids/", _forbids), path("form/", _reads_a_form)]


def fail_with_a_row() -> None:
    """Make PostgreSQL refuse a row that holds the canaries. Raises IntegrityError."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET buyer_name = %s, address_street = %s, status = NULL", [NAME, PLACE]
        )


@pytest.fixture
def refused(db: None) -> DatabaseError:
    """An error of PostgreSQL whose text names the canaries."""
    build_order()
    with pytest.raises(DatabaseError) as error:
        fail_with_a_row()
    if connection.vendor == "postgresql":
        assert NAME in str(error.value)
    return error.value


def test_message_and_traceback_show_no_row(refused: DatabaseError, log: StringIO) -> None:
    logger.error("not stored: %s", refused, exc_info=refused, extra={"problem": str(refused)})
    logger.error("not stored: %r", refused)
    try:
        raise RuntimeError(f"wrapped: {refused}") from refused
    except RuntimeError:
        logger.exception("wrapped")

    text = log.getvalue()
    assert (NAME in text, PLACE in text) == (False, False)
    assert text.count("Traceback") == 5 if connection.vendor == "postgresql" else text.count("Traceback") >= 3
    assert "fail_with_a_row" in text


def test_handler_of_another_format_shows_no_row(refused: DatabaseError) -> None:
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(MaskFilter())
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", (), (type(refused), refused, None))
    handler.handle(record)
    assert NAME not in written.getvalue()
    assert "failed" in written.getvalue()


def test_uncaught_error_prints_no_row(refused: DatabaseError, capsys: pytest.CaptureFixture[str]) -> None:
    sys.excepthook(type(refused), refused, refused.__traceback__)
    printed = capsys.readouterr().err
    assert NAME not in printed
    assert "fail_with_a_row" in printed


def test_failed_task_shows_no_row(refused: DatabaseError, log: StringIO) -> None:
    app = Celery("canary", broker="memory://", set_as_current=False)

    @app.task(name="canary.fail")
    def fail() -> None:
        raise refused

    fail.apply()
    assert NAME not in log.getvalue()
    assert "canary.fail" in log.getvalue()


def test_celery_adds_no_handler_of_its_own() -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        signals.setup_logging.send(sender=None, loglevel="WARNING")
        assert signals.setup_logging.receivers
        Logging(Celery("canary", set_as_current=False)).setup_logging_subsystem(loglevel="WARNING")
        assert root.handlers == before
        added = logging.getLogger("celery.task").handlers
        assert [handler for handler in added if not isinstance(handler, logging.NullHandler)] == []
    finally:
        root.setLevel(level)


@pytest.mark.urls(__name__)
def test_failed_page_shows_no_row(refused: DatabaseError, log: StringIO) -> None:
    answer = Client(raise_request_exception=False).get("/fails/")
    assert answer.status_code == 500
    assert NAME not in log.getvalue()
    assert "fail_with_a_row" in log.getvalue()
    assert not logging.getLogger("django").handlers


@pytest.mark.urls(__name__)
def test_refused_caller_is_one_line(log: StringIO) -> None:
    client = Client(raise_request_exception=False)
    statuses = [
        client.get("/forbids/").status_code,
        client.post("/form/", BROKEN_FORM, content_type="multipart/form-data").status_code,
        client.get("/form/", headers={"host": "evil.example"}).status_code,
        client.post("/form/", MANY_FIELDS, content_type="application/x-www-form-urlencoded").status_code,
    ]
    assert statuses == [403, 400, 400, 400]
    assert "Traceback" not in log.getvalue()
    assert len(log.getvalue().splitlines()) == len(statuses)


@pytest.mark.django_db
def test_value_in_the_message_is_left_out() -> None:
    with pytest.raises(DatabaseError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders_order (id, created_at) VALUES (1, %s)", [f"{NAME} 2026-11-28"])
    assert NAME not in tracebacks.text_of(error.value)
    assert NAME not in tracebacks.brief(error.value)
    assert NAME not in tracebacks.formatted(error.value)


@pytest.mark.django_db
def test_problem_of_a_queue_row_shows_no_row(refused: DatabaseError) -> None:
    assert NAME not in tracebacks.brief(refused)
    assert tracebacks.brief(ValueError("plain")) == "ValueError('plain')"


@pytest.mark.parametrize(
    "text",
    [
        f"a null\nDETAIL:  Failing row contains (1, {NAME}\nnew line, {PLACE}).",
        f"空值\n描述:  失败, 行包含(1, {NAME}, {PLACE}).",
        f"bad\nLINE 1: INSERT INTO x VALUES ('{NAME}')\n            ^",
        f'bad\nCONTEXT:  COPY x, line 1, column name: "{NAME}"',
        f"IntegrityError('a null\\nDETAIL:  Failing row contains (1, {NAME}).\\n')",
    ],
)
def test_details_are_cut_in_any_language(text: str) -> None:
    assert NAME not in tracebacks.without_rows(text)
    assert tracebacks.without_rows("one line\nsecond: line") == "one line\nsecond: line"


def test_group_of_errors_is_printed_whole() -> None:
    group = ExceptionGroup("two", [ValueError("a"), KeyError("b")])
    text = tracebacks.formatted(group)
    assert ("ValueError: a" in text, "KeyError: 'b'" in text) == (True, True)
