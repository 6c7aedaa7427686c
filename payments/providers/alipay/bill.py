"""Alipay's daily bill: an address is asked for, then downloaded at once, since it lives for 30 seconds.

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
from payments.providers.alipay.gateway import call, refused
from payments.providers.errors import response_mismatch
from payments.providers.types import AccountKeys, BillResult, BillState

# Alipay makes the bill of a day by 10:00 of the next; what is not there some hours later has no trades in it.
_CERTAIN_AT = time(12, 0)
_NO_BILL = frozenset(("isp.bill_not_exist", "isv.bill_not_exist", "isp.bill-not-exist", "BILL_NOT_EXIST"))
# A day of a large shop: about 300 bytes a trade before packing.
MAX_BILL = 512 * 1024 * 1024


def fetch_trade_bill(day: date, keys: AccountKeys, gateway: Gateway, target: Path) -> BillResult:
    """Raises `OutsideError`. Alipay has one word for «not yet» and «nothing»; the hour tells them apart."""
    content = {"bill_type": "trade", "bill_date": day.isoformat()}
    answer = call("alipay.data.dataservice.bill.downloadurl.query", content, keys, gateway)
    if answer.sub_code in _NO_BILL:
        state = BillState.EMPTY if datetime.now(UTC) >= _certain_at(day) else BillState.NOT_READY
        return BillResult(state=state, detail=f"{answer.sub_code} {answer.text('sub_msg')}".strip()[:200])
    if not answer.ok:
        raise refused(answer)
    address = answer.text("bill_download_url")
    if not is_private_enough(address):
        raise response_mismatch("bill_download_url")
    _download(address, gateway, target)
    return BillResult(state=BillState.READY, file_name=f"alipay-{day.isoformat()}.zip")


def _certain_at(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), _CERTAIN_AT, BEIJING)


def _download(address: str, gateway: Gateway, target: Path) -> None:
    """The address carries its own proof and the file has none: we see only whether it is a whole zip."""
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
