"""Adding several runs up: a test counts as run when one of them ran it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.apart import set_apart
from scripts.found import Found
from scripts.run_tests import Total, add_up, passes, report


def things(**urls: str) -> dict[str, Found]:
    kinds = ("postgres", "redis", "amqp", "browser")
    return {kind: Found(kind, urls.get(kind, ""), "for this test") for kind in kinds}


def write(folder: Path, name: str, *, outcomes: dict[str, list[str]], left_out: dict[str, list[str]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"outcomes": outcomes, "left_out": left_out}))


def test_run_in_any_pass_is_not_missing(tmp_path: Path) -> None:
    total = Total()
    write(
        tmp_path / "a",
        "main.json",
        outcomes={"t1": ["passed", ""], "t2": ["skipped", "no disk"]},
        left_out={},
    )
    write(tmp_path / "a", "gw0.json", outcomes={}, left_out={"t3": ["kill"], "t4": ["long"]})
    write(tmp_path / "b", "main.json", outcomes={"t3": ["failed", "call"]}, left_out={"t1": ["django_db"]})

    add_up("first", tmp_path / "a", 3, total)
    add_up("second", tmp_path / "b", 4, total)

    assert total.lines == [
        "first: 1 passed, 0 failed, 1 skipped in 3 s",
        "second: 0 passed, 1 failed, 0 skipped in 4 s",
    ]
    assert total.not_run() == {"no disk": 1, "takes minutes; `make long` runs it": 1}


def test_the_closing_lines_name_every_reason(capsys: pytest.CaptureFixture[str]) -> None:
    total = Total(done={"t1"}, missing={"t1": "needs Redis", "t2": "needs Redis", "t3": "no disk"})
    total.lines = ["PostgreSQL: 1 passed, 0 failed, 0 skipped in 1 s"]

    report(total)

    assert capsys.readouterr().out.splitlines()[2:] == [
        "not run: 2",
        "  1: needs Redis",
        "  1: no disk",
        "all good",
    ]


def test_only_sqlite_pass_without_postgres() -> None:
    (only,) = passes(things(redis="redis://x"))

    assert only.name == "SQLite"
    assert only.marks == "not (browser or kill or serial or postgres or long or amqp)"


def test_with_everything_there_are_three_passes() -> None:
    found = things(postgres="postgres://p@h:1/postgres", redis="redis://r", amqp="amqp://a", browser="/c")

    first, alone, sqlite = passes(found)

    assert first.environment == {
        "DATABASE_URL": "postgres://p@h:1/ordersite",
        "REDIS_URL": "redis://r",
        "CELERY_BROKER_URL": "amqp://a",
    }
    assert alone.marks == "(browser or kill or serial) and not (long)"
    assert (sqlite.name, sqlite.environment) == ("SQLite, what uses a database", {})
    assert sqlite.options[-2:] == ("-p", "scripts.with_database")


def test_workers_have_own_redis_db_and_folder() -> None:
    environment = {"REDIS_URL": "redis://127.0.0.1:6379/", "VAR_DIR": "/var/tmp/x"}

    set_apart(environment, "gw1")

    assert environment == {"REDIS_URL": "redis://127.0.0.1:6379/2", "VAR_DIR": "/var/tmp/x/gw1"}


def test_process_alone_keeps_its_environment() -> None:
    environment = {"REDIS_URL": "redis://127.0.0.1:6379"}

    set_apart(environment, "")

    assert environment == {"REDIS_URL": "redis://127.0.0.1:6379"}
