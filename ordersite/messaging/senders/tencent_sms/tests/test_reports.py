"""Tencent Cloud's delivery reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ordersite.messaging.senders.tencent_sms.adapter import TencentSms
from ordersite.messaging.senders.types import ChannelKeys, Report, ReportCall

KEYS = ChannelKeys("tencent_sms", "s", {}, {})
# The document's own example, with numbers in place of its crosses.
ROW = {
    "user_receive_time": "2015-10-17 08:03:04", "nationcode": "86", "mobile": "13800138000",
    "report_status": "SUCCESS", "errmsg": "DELIVRD", "description": "用户短信送达成功", "sid": "5000:1",
}  # fmt: skip


def test_reports_of_a_call() -> None:
    failed = {**ROW, "report_status": "FAIL", "errmsg": "UNDELIV", "description": "", "sid": "5000:2"}
    call = ReportCall(body=json.dumps([ROW, failed]).encode())

    reports, reply = TencentSms().read_reports(call, KEYS)

    at = datetime(2015, 10, 17, 0, 3, 4, tzinfo=UTC)
    assert reports == (
        Report(vendor_id="5000:1", is_delivered=True, code="DELIVRD 用户短信送达成功", at=at),
        Report(vendor_id="5000:2", is_delivered=False, code="UNDELIV", at=at),
    )
    assert (reply.status, json.loads(reply.body)) == (200, {"result": 0, "errmsg": "OK"})


def test_unreadable_call_is_refused() -> None:
    reports, reply = TencentSms().read_reports(ReportCall(body=b'{"sid": 1}'), KEYS)

    assert (reports, reply.status, json.loads(reply.body)["result"]) == ((), 400, 1)
