"""LOG_FORMAT=json: one line of JSON for each record, tracebacks too, without personal data, in every process."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection

from orders.tests.builders import build_order
from ordersite.logs import JsonLineFormatter, MaskFilter, logging_settings
from ordersite.tests.site import ROOT, environment
from ordersite.tests.test_logs import NAME, PLACE, fail_with_a_row

PHONE = "13800138000"


@pytest.fixture
def lines() -> Iterator[Any]:
    """A logger that writes as JSON, and what it wrote, read back line by line."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLineFormatter())
    handler.addFilter(MaskFilter())
    logger = logging.getLogger("ordersite.tests.json")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.propagate = True


def test_record_is_one_line_with_its_fields(lines: Any) -> None:
    logger, read = lines
    logger.info(
        "applied\n%s", "two", extra={"rows": 200, "request_id": "r-1", "request": object(), "none": ""}
    )
    [line] = read()
    assert line.pop("time")[10] == "T"
    assert line == {
        "level": "INFO",
        "logger": "ordersite.tests.json",
        "message": "applied\ntwo",
        "rows": 200,
        "request_id": "r-1",
    }


def test_chinese_stays_readable_and_phones_are_masked(lines: Any) -> None:
    logger, read = lines
    logger.warning("打给 %s", PHONE, extra={"called": f"tel {PHONE}"})
    [line] = read()
    assert (line["message"], line["called"]) == ("打给 138****8000", "tel 138****8000")


@pytest.mark.django_db
def test_traceback_is_part_of_its_line_and_shows_no_row(lines: Any) -> None:
    logger, read = lines
    build_order()
    with pytest.raises(DatabaseError) as error:
        fail_with_a_row()
    if connection.vendor == "postgresql":
        assert NAME in str(error.value)
    logger.error("not stored: %s", error.value, exc_info=error.value, extra={"problem": str(error.value)})
    [line] = read()
    assert "fail_with_a_row" in line["exc_info"]
    assert "\n" in line["exc_info"]
    assert NAME not in json.dumps(line, ensure_ascii=False)
    assert PLACE not in json.dumps(line, ensure_ascii=False)


def test_both_forms_have_the_same_levels_and_filters() -> None:
    text, as_json = (logging_settings(level="INFO", form=form) for form in ("text", "json"))
    logging.captureWarnings(False)
    assert text["handlers"] == as_json["handlers"]
    assert text["loggers"] == as_json["loggers"]
    assert text["formatters"] != as_json["formatters"]


def _of_process(folder: Path, *command: str, stop_after: str = "") -> list[dict[str, Any]]:
    """The lines that a process writes to its error output. With `stop_after` it is ended once that is among them."""
    folder.mkdir(exist_ok=True)
    variables = environment(folder, port=1, sandbox_port=2, servers={})
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**variables, "DEMO": "false", "STAFF_TOTP": "offered", "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"},
    )  # fmt: skip
    assert process.stderr
    if stop_after:
        found = []
        for line in process.stderr:
            found.append(line)
            if stop_after in line:
                break
        process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=60)[1]
    return [json.loads(line) for line in [*(found if stop_after else []), *rest.splitlines()]]


FAILS = """
import threading, warnings
import django
django.setup()
def fail(): raise RuntimeError("tel 13800138000")
warnings.warn("old")
thread = threading.Thread(target=fail, name="reader"); thread.start(); thread.join()
fail()
"""


def test_uncaught_errors_and_warnings_are_lines(tmp_path: Path) -> None:
    code = f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'ordersite.settings'{FAILS}"
    found = [line for line in _of_process(tmp_path, "-c", code) if line["level"] != "DEBUG"]
    assert [(line["logger"], line["message"]) for line in found][1:] == [
        ("ordersite.uncaught", "uncaught error in a thread"),
        ("ordersite.uncaught", "uncaught error"),
    ]
    assert "old" in found[0]["message"]
    assert found[1]["in_thread"] == "reader"
    assert "RuntimeError: tel 138****8000" in found[2]["exc_info"]


@pytest.mark.kill
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["-m", "celery", "--quiet", "-A", "ordersite", "worker", "--pool", "solo", "-l", "info"], "ready."),
        (["-m", "celery", "--quiet", "-A", "ordersite", "beat", "-l", "info", "--pidfile="], "Starting"),
    ],
    ids=["worker", "beat"],
)
def test_a_process_writes_lines_alone(tmp_path: Path, command: list[str], said: str) -> None:
    found = _of_process(tmp_path, *command, stop_after=said)
    assert any(said in line["message"] for line in found)


def test_unknown_form_stops_the_start(tmp_path: Path) -> None:
    variables = environment(tmp_path, port=1, sandbox_port=2, servers={})
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env={**os.environ, **variables, "LOG_FORMAT": "xml"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2, "ordersite cannot start: LOG_FORMAT must be text or json, not 'xml'\n",
    )  # fmt: skip


def test_no_start_prints_a_banner() -> None:
    """Celery's banner is many lines of no form, beside the records."""
    places = [
        ROOT / "Procfile",
        ROOT / "compose.yaml",
        ROOT / "README.md",
        *(ROOT / "deploy/systemd").glob("*.service"),
    ]
    places += (ROOT / "docs").glob("*/*.md")
    starts = [
        line
        for place in places
        for line in place.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bcelery,? .*-A,? ordersite", line)
    ]
    assert len(starts) >= 5 * 3
    assert [line for line in starts if not re.search(r"celery,? --quiet", line)] == []
