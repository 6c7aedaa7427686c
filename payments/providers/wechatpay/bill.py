"""The daily trade bill: asked for, fetched at once, unpacked and checked against its hash before anybody sees it.

Facts: pay.weixin.qq.com/doc/v3/merchant/4012556654; the hash covers the unpacked bytes (wechatpay-java,
DigestBillEntity.java); the address lives for 30 seconds to five minutes and its answer is not signed.
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
    refusal_text,
    refused,
    request_headers,
    unreadable,
)
from payments.providers.wechatpay.notification import read_text

# A trade is about 400 bytes: room for more than two million of them in a day.
MAX_PACKED, MAX_BILL = 256 * 1024 * 1024, 1024 * 1024 * 1024
# "Ready from about ten o'clock of the next day": an empty answer before that says nothing.
READY_AT = time(10, 0)
_NO_BILL = frozenset(("NOSTATEMENTEXIST", "NOSTATEMENTEXISTS", "NOBILLEXIST", "NOBILLEXISTS"))
_IN_THE_MAKING = frozenset(("STATEMENTCREATING", "BILLCREATING"))
_GZIP = b"\x1f\x8b"
_BLOCK = 1024 * 1024
# Only what every client sends as it stands: the signature covers the address.
_PLAIN_URL = re.compile(r"https?://[!$&-;=?-Z_a-z~%]+", re.ASCII)


def fetch_bill(day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
    """Write the bill of all trades of that day, unpacked, to `target`. Raises `OutsideError`."""
    path = f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP"
    answer = get(path, keys, gateway)
    if not answer.ok:
        return _no_bill(answer, day)
    url, expected = read_text(answer.fields, "download_url"), read_text(answer.fields, "hash_value")
    if read_text(answer.fields, "hash_type").upper() != "SHA1" or not expected:
        raise unreadable("the bill's hash is missing or of a kind that is not known")
    if not _PLAIN_URL.fullmatch(url) or not is_private_enough(url):
        raise unreadable("download_url is not a plain https address")
    with _beside(target, "packed") as packed, _beside(target, "checked") as checked:
        _download(url, keys, gateway, packed)
        if not same(_unpack(packed, checked), expected.lower()):
            raise unreadable("the bill's hash does not fit")
        checked.replace(target)
    return BillResult(
        state=BillState.READY, file_name=f"{keys.config.get('mchid', '')}All{day.isoformat()}.csv"
    )


def _no_bill(answer: WeChatPayResponse, day: date) -> BillResult:
    """Whether there will never be one, or not yet."""
    ready_at = datetime.combine(day + timedelta(days=1), READY_AT, BEIJING)
    is_early = datetime.now(UTC) < ready_at
    if answer.code in _IN_THE_MAKING or (is_early and answer.code in _NO_BILL):
        return BillResult(state=BillState.NOT_READY, detail=refusal_text(answer))
    if answer.code in _NO_BILL:
        return BillResult(state=BillState.EMPTY, detail=refusal_text(answer))
    if datetime.now(BEIJING).date() <= day and answer.code in ("PARAMERROR", "INVALIDREQUEST"):
        # Of a day that is not over the platform says only that the date is wrong.
        return BillResult(state=BillState.NOT_READY, detail=refusal_text(answer))
    raise refused(answer)


@contextmanager
def _beside(target: Path, ending: str) -> Iterator[Path]:
    """A name beside the target, free now and free again afterwards."""
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
        raise unreadable(f"the bill's address answered with HTTP {reply.status}")


def _unpack(packed: Path, checked: Path) -> str:
    """Write the bill as it is read by people, bounded; its SHA-1 in lower-case hex."""
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    try:
        with open(os.open(checked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for block in _blocks(packed):
                size += len(block)
                if size > MAX_BILL:
                    raise unreadable("the bill is larger than any bill")
                digest.update(block)
                file.write(block)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise unreadable("the bill is packed badly") from error
    return digest.hexdigest()


def _blocks(packed: Path) -> Iterator[bytes]:
    """By its first bytes: what was asked for as GZIP may come as it is."""
    with packed.open("rb") as raw:
        is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        with gzip.open(raw) if is_packed else raw as file:
            while block := file.read(_BLOCK):
                yield block
