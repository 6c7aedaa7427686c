"""Fetches Alipay's daily bill: queries its download URL and downloads at once, since the URL lives for 30 seconds.

Source: alipay.data.dataservice.bill.downloadurl.query (developer.aliyun.com/article/707638).
"""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from ordersite.lib.china_time import BEIJING
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, is_private_enough
from payments.providers.alipay.gateway import call, refusal_error
from payments.providers.errors import response_mismatch
from payments.providers.types import AccountKeys, BillResult, BillState

# Alipay makes a day's bill by 10:00 (Beijing) of the next; a bill that is missing at this hour has no trades.
_CERTAIN_AT = time(12, 0)
_NO_BILL = frozenset(("isp.bill_not_exist", "isv.bill_not_exist", "isp.bill-not-exist", "BILL_NOT_EXIST"))
# Bytes; enough for a day of a large shop, at about 300 bytes a trade before compression.
MAX_BILL = 512 * 1024 * 1024


def fetch_trade_bill(day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
    """Write the trade bill of a day (Beijing time) to `target`. Raises `OutsideError`.

    Alipay has one error code for «not yet» and «no trades»; the hour of the call distinguishes them.
    """
    content = {"bill_type": "trade", "bill_date": day.isoformat()}
    response = call("alipay.data.dataservice.bill.downloadurl.query", content, keys, gateway)
    if response.sub_code in _NO_BILL:
        state = BillState.EMPTY if datetime.now(UTC) >= _certain_at(day) else BillState.NOT_READY
        return BillResult(state=state, detail=f"{response.sub_code} {response.text('sub_msg')}".strip()[:200])
    if not response.ok:
        raise refusal_error(response)
    address = response.text("bill_download_url")
    if not is_private_enough(address):
        raise response_mismatch("bill_download_url")
    _download(address, gateway, target)
    return BillResult(state=BillState.READY, file_name=f"alipay-{day.isoformat()}.zip")


def _certain_at(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), _CERTAIN_AT, BEIJING)


def _download(address: str, gateway: Gateway, target: Path) -> None:
    """Download the file; its URL is authorised and the file is unsigned, so only the zip's completeness is checked."""
    reply = gateway.download(address, headers={}, target=target, max_bytes=MAX_BILL)
    if reply.status == 200 and zipfile.is_zipfile(target):
        return
    target.unlink(missing_ok=True)
    raise OutsideError(
        "provider_http_error" if reply.status != 200 else "provider_answer_refused",
        _("The bill could not be downloaded: HTTP %(status)s, or no zip file."),
        retryable=True,
        status=reply.status,
    )
