"""WeChat Pay's daily bill: fetched from a real port, checked against its hash, and nothing left where that fails."""

from __future__ import annotations

import gzip
import hashlib
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer
from werkzeug import Response as HttpResponse

from ordersite.lib.http import Gateway
from payments.providers.types import BillResult, BillState
from payments.providers.wechatpay import bill
from payments.providers.wechatpay.adapter import WechatPay
from payments.providers.wechatpay.tests.fake_gateway import (
    FORGED,
    keys_for,
    no,
    outside,
    says,
    signed,
    unsigned,
)

DAY = date(2026, 11, 20)
ASK, FILE = "/v3/bill/tradebill", "/v3/billdownload/file"
BILL = "\ufeff交易时间,公众账号ID,商户号\r\n`2026-11-20 10:00:00,`wx1,`1900000001\r\n".encode() * 50


def offers(gate: HTTPServer, file: bytes, *, status: int = 200, **changes: Any) -> None:
    """A bill to be had, its hash that of BILL, the file's own answer not signed."""
    fields = {
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(BILL, usedforsecurity=False).hexdigest(),
        "download_url": gate.url_for(FILE) + "?token=oMmUqPjv_pgVEbq41QjzZ%2Fa%3D-Sq",
    } | changes
    says(gate, ASK, signed(fields))
    says(gate, FILE, HttpResponse(file, status=status))


def fetch(gate: HTTPServer, target: Path, day: date = DAY) -> BillResult:
    return WechatPay().fetch_bill(day, keys_for(gate), Gateway(), target)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(BILL, mtime=0),
        BILL,
        gzip.compress(BILL[:90], mtime=0) + gzip.compress(BILL[90:], mtime=0),
    ],
)
def test_the_bill_arrives_unpacked_and_checked(gate: HTTPServer, tmp_path: Path, packed: bytes) -> None:
    offers(gate, packed)
    target = tmp_path / "bill"
    answer = fetch(gate, target)
    assert answer == BillResult(state=BillState.READY, file_name="1900000001All2026-11-20.csv")
    assert target.read_bytes() == BILL
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]
    assert gate.log[0][0].query_string == b"bill_date=2026-11-20&bill_type=ALL&tar_type=GZIP"


def test_the_hash_may_be_in_capitals(gate: HTTPServer, tmp_path: Path) -> None:
    offers(
        gate,
        gzip.compress(BILL, mtime=0),
        hash_value=hashlib.sha1(BILL, usedforsecurity=False).hexdigest().upper(),
    )
    assert fetch(gate, tmp_path / "bill").state is BillState.READY


def refused(gate: HTTPServer, target: Path) -> None:
    """The fetch fails, may be tried again, and leaves nothing new."""
    target.write_bytes(b"of before")
    assert outside(lambda: fetch(gate, target)) == FORGED
    assert ([path.name for path in target.parent.iterdir()], target.read_bytes()) == (["bill"], b"of before")


@pytest.mark.parametrize(
    "file",
    [
        gzip.compress(BILL + b"x", mtime=0),
        BILL[:-1],
        gzip.compress(BILL, mtime=0)[:-9],
        gzip.compress(BILL, mtime=0)[:20] + b"\0" * 50,
        b"",
        b"\x1f\x8b",
    ],
)
def test_a_file_that_does_not_fit_its_hash_is_thrown_away(
    gate: HTTPServer, tmp_path: Path, file: bytes
) -> None:
    offers(gate, file)
    refused(gate, tmp_path / "bill")


@pytest.mark.parametrize(
    "changes",
    [
        {"hash_type": "MD5"},
        {"hash_type": None},
        {"hash_value": ""},
        {"hash_value": 5},
        {"download_url": "http://pay.example/v3/billdownload/file?token=a"},
        {"download_url": "file:///etc/passwd"},
        {"download_url": "https://pay.example/a b"},
        {"download_url": "https://pay.example/a#b"},
        {"download_url": ""},
    ],
)
def test_an_offer_that_cannot_be_checked_is_not_taken(
    gate: HTTPServer, tmp_path: Path, changes: dict[str, Any]
) -> None:
    offers(gate, gzip.compress(BILL, mtime=0), **changes)
    refused(gate, tmp_path / "bill")
    assert len(gate.log) == 1


def test_an_offer_without_signature_is_not_taken(gate: HTTPServer, tmp_path: Path) -> None:
    says(
        gate, ASK, unsigned({"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": gate.url_for(FILE)})
    )
    refused(gate, tmp_path / "bill")


def test_a_file_that_is_not_there_any_more_is_asked_for_again(gate: HTTPServer, tmp_path: Path) -> None:
    offers(gate, b'{"code":"TOKEN_EXPIRED"}', status=403)
    refused(gate, tmp_path / "bill")


def test_a_bomb_is_given_up(gate: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill, "MAX_BILL", 3 * 1024 * 1024)
    offers(gate, gzip.compress(b"\0" * 4 * 1024 * 1024))
    refused(gate, tmp_path / "bill")


TEN = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)  # ten o'clock in Beijing on the day after DAY
BEFORE = datetime(2026, 11, 21, 1, 59, 59, tzinfo=UTC)
SAME_DAY = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "code", "state"),
    [
        (TEN, "NO_STATEMENT_EXIST", BillState.EMPTY),
        (TEN, "NO_BILL_EXIST", BillState.EMPTY),
        (BEFORE, "NO_STATEMENT_EXIST", BillState.NOT_READY),
        (TEN, "STATEMENT_CREATING", BillState.NOT_READY),
        (SAME_DAY, "PARAM_ERROR", BillState.NOT_READY),
        (SAME_DAY, "INVALID_REQUEST", BillState.NOT_READY),
    ],
)
def test_a_day_without_a_bill(
    gate: HTTPServer, tmp_path: Path, now: datetime, code: str, state: BillState
) -> None:
    with time_machine.travel(now, tick=False):
        says(gate, ASK, no(code))
        answer = fetch(gate, tmp_path / "bill")
    assert (answer.state, answer.detail) == (state, f"{code} 说明")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: no("PARAM_ERROR"), "provider_misconfigured"),
        (lambda: no("NO_AUTH", 403), "provider_misconfigured"),
        (lambda: no("SYSTEM_ERROR", 500), "provider_error"),
        (lambda: no("FREQUENCY_LIMITED", 429), "provider_busy"),
    ],
)
def test_a_refusal_is_neither_empty_nor_early(
    gate: HTTPServer, tmp_path: Path, answer: Callable[[], HttpResponse], expected: str
) -> None:
    says(gate, ASK, answer())
    assert outside(lambda: fetch(gate, tmp_path / "bill"))[0] == expected
