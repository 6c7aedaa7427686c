"""Fetches WeChat Pay's daily trade bill, unpacks it and compares it with its hash before it is used.

Source: pay.weixin.qq.com/doc/v3/merchant/4012556654; the hash covers the unpacked bytes (wechatpay-java,
DigestBillEntity.java). The download URL lives for 30 seconds to five minutes and its response is not signed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ordersite.lib.china_time import BEIJING
from ordersite.lib.crypto import same
from ordersite.lib.http import Gateway, is_private_enough
from payments.providers.types import AccountKeys, BillResult, BillState
from payments.providers.wechatpay.gateway import (
    WeChatPayResponse,
    get,
    refusal_error,
    refusal_text,
    request_headers,
    untrusted,
)
from payments.providers.wechatpay.notification import read_text

# Bytes; a trade is about 400, so there is room for more than two million of them in a day.
MAX_PACKED, MAX_BILL = 256 * 1024 * 1024, 1024 * 1024 * 1024
# Beijing time: "ready from about ten o'clock of the next day"; «no bill» before that hour is not final.
READY_AT = time(10, 0)
_NO_BILL = frozenset(("NOSTATEMENTEXIST", "NOSTATEMENTEXISTS", "NOBILLEXIST", "NOBILLEXISTS"))
_IN_THE_MAKING = frozenset(("STATEMENTCREATING", "BILLCREATING"))
_GZIP = b"\x1f\x8b"
_BLOCK = 1024 * 1024
# Only characters that every HTTP client sends unchanged: the signature covers the URL.
_PLAIN_URL = re.compile(r"https?://[!$&-;=?-Z_a-z~%]+", re.ASCII)


def fetch_bill(day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
    """Write the bill of all trades of that day, unpacked, to `target`. Raises `OutsideError`."""
    path = f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP"
    response = get(path, keys, gateway)
    if not response.ok:
        return _no_bill(response, day)
    url, expected = read_text(response.fields, "download_url"), read_text(response.fields, "hash_value")
    if read_text(response.fields, "hash_type").upper() != "SHA1" or not expected:
        raise untrusted("the bill's hash is missing or of a kind that is not known")
    if not _PLAIN_URL.fullmatch(url) or not is_private_enough(url):
        raise untrusted("download_url is not a plain https address")
    with _temporary_file(target, "packed") as packed, _temporary_file(target, "checked") as checked:
        _download(url, keys, gateway, packed)
        if not same(_unpack(packed, checked), expected.lower()):
            raise untrusted("the bill's hash does not fit")
        checked.replace(target)
    return BillResult(
        state=BillState.READY, file_name=f"{keys.config.get('mchid', '')}All{day.isoformat()}.csv"
    )


def _no_bill(response: WeChatPayResponse, day: date) -> BillResult:
    """The result of a refusal: EMPTY or NOT_READY. Raises `OutsideError` for any other refusal."""
    ready_at = datetime.combine(day + timedelta(days=1), READY_AT, BEIJING)
    is_early = datetime.now(UTC) < ready_at
    if response.code in _IN_THE_MAKING or (is_early and response.code in _NO_BILL):
        return BillResult(state=BillState.NOT_READY, detail=refusal_text(response))
    if response.code in _NO_BILL:
        return BillResult(state=BillState.EMPTY, detail=refusal_text(response))
    if datetime.now(BEIJING).date() <= day and response.code in ("PARAMERROR", "INVALIDREQUEST"):
        # For a day that is not over, the platform reports only that the date is wrong.
        return BillResult(state=BillState.NOT_READY, detail=refusal_text(response))
    raise refusal_error(response)


@contextmanager
def _temporary_file(target: Path, ending: str) -> Iterator[Path]:
    """A path beside the target; what is there is removed before and after."""
    path = target.with_name(f".{target.name}.{os.getpid()}.{ending}")
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _download(url: str, keys: AccountKeys, gateway: Gateway, packed: Path) -> None:
    headers = request_headers("GET", url, "", keys)
    reply = gateway.download(url, headers=headers, target=packed, max_bytes=MAX_PACKED)
    if reply.status != 200:
        raise untrusted(f"the bill's address answered with HTTP {reply.status}")


def _unpack(packed: Path, checked: Path) -> str:
    """Write the unpacked bill, at most MAX_BILL bytes; its SHA-1 in lower-case hex. Raises `OutsideError`."""
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    try:
        with open(os.open(checked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for block in _blocks(packed):
                size += len(block)
                if size > MAX_BILL:
                    raise untrusted("the bill is larger than any bill")
                digest.update(block)
                file.write(block)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise untrusted("the bill is packed badly") from error
    return digest.hexdigest()


def _blocks(packed: Path) -> Iterator[bytes]:
    """The blocks of the unpacked file; a file requested as GZIP may arrive uncompressed, which its first bytes tell."""
    with packed.open("rb") as raw:
        is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        with gzip.open(raw) if is_packed else raw as file:
            while block := file.read(_BLOCK):
                yield block
