"""The proxy's access log, as deploy/nginx.conf writes it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from payments.models import DeadCall, RefusedCall
from payments.notifications import access_log
from payments.notifications.access_log import Read, read_log

pytestmark = pytest.mark.django_db


def line(number: int = 1, **changes: Any) -> str:
    values = {
        "time": "2026-11-22T14:02:11+08:00", "id": f"{number:032x}", "address": "203.0.113.9", "method": "POST",
        "path": "/notify/alipay/demo-alipay/", "status": 499, "bytes": 0, "seconds": 5.002, "upstream_seconds": "5.001",
        "upstream_status": "-", "length": "1187", "received": 1500, "agent": "Mozilla",
    }  # fmt: skip
    return json.dumps({**values, **changes}) + "\n"


def run(path: Path) -> dict[str, int]:
    out = StringIO()
    call_command("read_access_log", str(path), "--json", stdout=out)
    found: dict[str, int] = json.loads(out.getvalue())
    return found


def test_dead_call_keeps_the_facts_of_its_line(tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    log.write_text(line())
    assert run(log) == {"lines": 1, "calls": 1, "kept": 1, "beyond": 0, "malformed": 0}
    row = DeadCall.objects.get()
    assert (row.at, row.provider, row.account_slug) == (
        datetime(2026, 11, 22, 6, 2, 11, tzinfo=UTC),
        "alipay",
        "demo-alipay",
    )
    assert (row.status, row.upstream_status, row.remote_address) == (499, 0, "203.0.113.9")
    assert (row.announced, row.received, row.duration_ms, row.request_id) == (1187, 1500, 5002, f"{1:032x}")


def test_only_failed_notify_calls_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    wanted = [line(n, status=status) for n, status in enumerate((301, 400, 413, 499, 502, 504))]
    others = [
        line(9, status=200),
        line(10, status=204),
        line(11, path="/admin/", status=502),
        line(12, path="/notifying"),
    ]
    log.write_text("".join([*wanted, *others]))
    assert run(log)["kept"] == 6


def test_no_line_makes_a_second_row(tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    log.write_text(line(1) + line(2))
    assert (run(log)["kept"], run(log)["lines"]) == (2, 0)
    with log.open("a") as file:
        file.write(line(3) + line(4)[:50])
    assert (run(log)["lines"], DeadCall.objects.count()) == (1, 3)
    with log.open("a") as file:
        file.write(line(4)[50:])
    assert (run(log)["kept"], DeadCall.objects.count()) == (1, 4)
    copy = tmp_path / "copy.json"
    copy.write_text(log.read_text())
    assert (run(copy)["kept"], DeadCall.objects.count()) == (0, 4)


def test_rotated_file_is_read_to_its_end_first(tmp_path: Path) -> None:
    log, done = tmp_path / "access.json", Read()
    log.write_text(line(1))
    read_log(log, done)
    with log.open("a") as file:
        file.write(line(2))
    log.rename(tmp_path / "access.json.1")
    log.write_text(line(3))
    assert read_log(log, done) > 0
    assert (done.kept, DeadCall.objects.count()) == (3, 3)
    assert read_log(log, done) == 0


def test_lines_after_the_rotation_are_read(tmp_path: Path) -> None:
    """The proxy goes on writing into the renamed file until it is told to open the new one."""
    log, old, done = tmp_path / "access.json", tmp_path / "access.json.1", Read()
    log.write_text(line(1))
    read_log(log, done)
    log.rename(old)
    log.touch()
    read_log(log, done)

    with old.open("a") as file:
        file.write(line(2))
    read_log(log, done)
    log.write_text(line(3))
    read_log(log, done)

    assert (done.kept, DeadCall.objects.count()) == (3, 3)


def test_emptied_file_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    log.write_text(line(1) + line(2))
    run(log)
    log.write_text(line(3))
    assert (run(log)["kept"], DeadCall.objects.count()) == (1, 3)


@pytest.mark.parametrize(
    "bad",
    ["nonsense\n", "[]\n", "{}\n", "\n", '{"path":1}\n', "[" * 3000 + "\n", "x" * 200_000 + "\n",
     line(time="yesterday"), line(time="2026-11-22T14:02:11"), line(status="?")],
)  # fmt: skip
def test_malformed_line_is_counted_and_skipped(tmp_path: Path, bad: str) -> None:
    log = tmp_path / "access.json"
    log.write_text(line(1) + bad + line(2))
    found = run(log)
    assert (found["kept"], found["malformed"] >= 1) == (2, True)


def test_odd_values_are_bounded(tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    odd = line(
        path="/notify/" + "é\0" * 300, address="x" * 100, length="-", seconds="1e400", received=-5, id=None
    )
    log.write_text(odd + line(2, path="/notify/", upstream_status="502, 200"))
    assert run(log)["kept"] == 2
    first, second = DeadCall.objects.order_by("duration_ms")
    assert {first.provider, second.provider} == {""}
    assert {first.upstream_status, second.upstream_status} == {0, 200}


def test_a_day_is_bounded_and_the_rest_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "LOST_PER_DAY", 3)
    monkeypatch.setattr(access_log, "ANSWERED_PER_DAY", 2)
    log = tmp_path / "access.json"
    answered = [line(n, status=400, upstream_status="400") for n in range(5)]
    lost = [line(n, status=502) for n in range(10, 15)]
    log.write_text("".join([*answered, *lost, line(20, time="2026-11-23T14:00:00+08:00")]))
    found = run(log)
    assert (found["kept"], found["beyond"]) == (6, 5)
    assert {row.reason: row.calls for row in RefusedCall.objects.all()} == {
        "at_proxy_400": 3,
        "at_proxy_502": 2,
    }


def test_no_such_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run(tmp_path / "nothing.json")


def test_nginx_writes_the_fields_that_are_read() -> None:
    text = (settings.BASE_DIR / "deploy" / "nginx.conf").read_text()
    log_format = text[text.index("log_format") : text.index(";", text.index("log_format"))]
    written = set(re.findall(r'"(\w+)":', log_format))
    assert written == set(json.loads(line()))
