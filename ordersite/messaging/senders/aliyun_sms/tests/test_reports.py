"""Aliyun's delivery reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ordersite.messaging.senders.aliyun_sms.adapter import AliyunSms
from ordersite.messaging.senders.types import ChannelKeys, Report, ReportCall

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
KEYS = ChannelKeys("aliyun_sms", "s", {}, {})
# The document's own example, with numbers in place of its asterisks.
ROW = {
    "phone_number": "13811110000", "send_time": "2017-01-01 00:00:00", "report_time": "2017-01-01 00:00:00",
    "success": True, "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1", "biz_id": "12345",
    "out_id": "67890",
}  # fmt: skip


def test_reports_of_a_call() -> None:
    failed = {**ROW, "success": False, "err_code": "MK:0001", "err_msg": "空号", "biz_id": "2", "out_id": ""}
    call = ReportCall(body=json.dumps([ROW, failed]).encode(), received_at=NOW)

    reports, reply = AliyunSms().read_reports(call, KEYS)

    at = datetime(2016, 12, 31, 16, 0, tzinfo=UTC)
    assert reports == (
        Report(vendor_id="12345", key="67890", is_delivered=True, code="DELIVERED 用户接收成功", at=at),
        Report(vendor_id="2", key="", is_delivered=False, code="MK:0001 空号", at=at),
    )
    assert (reply.status, json.loads(reply.body)) == (200, {"code": 0, "msg": "成功"})


def test_unreadable_call_comes_again() -> None:
    reports, reply = AliyunSms().read_reports(ReportCall(body=b"<xml>"), KEYS)

    assert (reports, reply.status) == ((), 400)
