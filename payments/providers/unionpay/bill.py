"""Fetches UnionPay's file of a clearing day, which arrives inside a signed response.

`fileContent` is a zip, deflated once more, in base64. Source: open.unionpay.com, fileTransfer (txnType 76); acp_sdk,
deCodeFileContent. UnionPay's clearing day ends at 23:00; its file is out in the morning after.
"""

from __future__ import annotations

import base64
import io
import os
import zipfile
import zlib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ordersite.lib.china_time import BEIJING
from ordersite.lib.http import Gateway
from payments.providers.errors import response_mismatch
from payments.providers.types import AccountKeys, BillResult, BillState
from payments.providers.unionpay.gateway import UnionPayResponse, call_at, refusal_error
from payments.providers.unionpay.notification import write_compact

_NO_FILE = "98"
# Beijing time: a file that is missing by noon of the next day means that there were no trades.
_CERTAIN_AT = time(12, 0)
MAX_FILE = 64 * 1024 * 1024


def fetch_clearing_file(day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
    """Write the file of a clearing day (Beijing date) to `target`. Raises `OutsideError`.

    UnionPay has one code for «not yet» and «no trades»; the hour of the call distinguishes them.
    """
    now = datetime.now(UTC)
    fields = {
        "txnType": "76",
        "txnSubType": "01",
        "bizType": "000000",
        "txnTime": write_compact(now),
        "settleDate": day.strftime("%m%d"),
        "fileType": "00",
    }
    response = call_at(keys.config.get("file_url", ""), fields, keys, gateway)
    if response.code == _NO_FILE:
        certain_at = datetime.combine(day + timedelta(days=1), _CERTAIN_AT, BEIJING)
        state = BillState.EMPTY if now >= certain_at else BillState.NOT_READY
        return BillResult(state=state, detail=response.message)
    if not response.is_accepted:
        raise refusal_error(response)
    if response.text("settleDate") not in ("", fields["settleDate"]):
        raise response_mismatch("settleDate")
    _write(_content(response), target)
    return BillResult(state=BillState.READY, file_name=f"unionpay-{day.isoformat()}.zip")


def _content(response: UnionPayResponse) -> bytes:
    """The bytes of the zip file, at most MAX_FILE. Raises `OutsideError` for anything else."""
    unpacking = zlib.decompressobj()
    try:
        packed = base64.b64decode(response.text("fileContent"), validate=True)
        content = unpacking.decompress(packed, MAX_FILE)
    except (ValueError, zlib.error) as error:
        raise response_mismatch("fileContent") from error
    if not unpacking.eof or not zipfile.is_zipfile(io.BytesIO(content)):
        raise response_mismatch("fileContent")
    return content


def _write(content: bytes, target: Path) -> None:
    """Write the file readable by this process's user only; a failed write leaves no file."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError:
        target.unlink(missing_ok=True)
        raise
