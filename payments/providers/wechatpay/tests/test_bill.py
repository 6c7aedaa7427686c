"""WeChat Pay's daily bill, over real HTTP: compared with its hash, no file left where that fails."""

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
    outside_error,
    refusal,
    respond,
    signed,
    unsigned,
)

DAY = date(2026, 11, 20)
TRADE_BILL, FILE = "/v3/bill/tradebill", "/v3/billdownload/file"
BILL = "\ufeff交易时间,公众账号ID,商户号\r\n`2026-11-20 10:00:00,`wx1,`1900000001\r\n".encode() * 50


def offers(server: HTTPServer, file: bytes, *, status: int = 200, **changes: Any) -> None:
    """An offered bill with the hash of BILL; the response with the file is not signed."""
    fields = {
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(BILL, usedforsecurity=False).hexdigest(),
        "download_url": server.url_for(FILE) + "?token=oMmUqPjv_pgVEbq41QjzZ%2Fa%3D-Sq",
    } | changes
    respond(server, TRADE_BILL, signed(fields))
    respond(server, FILE, HttpResponse(file, status=status))


def fetch(server: HTTPServer, target: Path, day: date = DAY) -> BillResult:
    return WechatPay().fetch_bill(day, keys_for(server), Gateway(), target)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(BILL, mtime=0),
        BILL,
        gzip.compress(BILL[:90], mtime=0) + gzip.compress(BILL[90:], mtime=0),
    ],
)
def test_file_is_unpacked_and_checked(server: HTTPServer, tmp_path: Path, packed: bytes) -> None:
    offers(server, packed)
    target = tmp_path / "bill"
    response = fetch(server, target)
    assert response == BillResult(state=BillState.READY, file_name="1900000001All2026-11-20.csv")
    assert target.read_bytes() == BILL
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]
    assert server.log[0][0].query_string == b"bill_date=2026-11-20&bill_type=ALL&tar_type=GZIP"


def test_hash_in_capitals(server: HTTPServer, tmp_path: Path) -> None:
    offers(
        server,
        gzip.compress(BILL, mtime=0),
        hash_value=hashlib.sha1(BILL, usedforsecurity=False).hexdigest().upper(),
    )
    assert fetch(server, tmp_path / "bill").state is BillState.READY


def refused(server: HTTPServer, target: Path) -> None:
    """The fetch fails, may be tried again, and leaves nothing new."""
    target.write_bytes(b"of before")
    assert outside_error(lambda: fetch(server, target)) == FORGED
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
def test_wrong_hash_leaves_no_file(server: HTTPServer, tmp_path: Path, file: bytes) -> None:
    offers(server, file)
    refused(server, tmp_path / "bill")


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
def test_unverifiable_offer_is_an_error(server: HTTPServer, tmp_path: Path, changes: dict[str, Any]) -> None:
    offers(server, gzip.compress(BILL, mtime=0), **changes)
    refused(server, tmp_path / "bill")
    assert len(server.log) == 1


def test_unsigned_offer_is_an_error(server: HTTPServer, tmp_path: Path) -> None:
    respond(
        server,
        TRADE_BILL,
        unsigned({"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": server.url_for(FILE)}),
    )
    refused(server, tmp_path / "bill")


def test_expired_download_url_is_retryable(server: HTTPServer, tmp_path: Path) -> None:
    offers(server, b'{"code":"TOKEN_EXPIRED"}', status=403)
    refused(server, tmp_path / "bill")


def test_zip_bomb_is_abandoned(server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill, "MAX_BILL", 3 * 1024 * 1024)
    offers(server, gzip.compress(b"\0" * 4 * 1024 * 1024))
    refused(server, tmp_path / "bill")


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
def test_missing_day(server: HTTPServer, tmp_path: Path, now: datetime, code: str, state: BillState) -> None:
    with time_machine.travel(now, tick=False):
        respond(server, TRADE_BILL, refusal(code))
        response = fetch(server, tmp_path / "bill")
    assert (response.state, response.detail) == (state, f"{code} 说明")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (lambda: refusal("PARAM_ERROR"), "provider_misconfigured"),
        (lambda: refusal("NO_AUTH", 403), "provider_misconfigured"),
        (lambda: refusal("SYSTEM_ERROR", 500), "provider_error"),
        (lambda: refusal("FREQUENCY_LIMITED", 429), "provider_busy"),
    ],
)
def test_other_refusals_are_errors(
    server: HTTPServer, tmp_path: Path, response: Callable[[], HttpResponse], expected: str
) -> None:
    respond(server, TRADE_BILL, response())
    assert outside_error(lambda: fetch(server, tmp_path / "bill"))[0] == expected
