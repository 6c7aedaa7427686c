"""Aliyun's text messages: SendSms of 2017-05-25, and its delivery reports.

Sources: help.aliyun.com/document_detail/2881383.html (SendSms), help.aliyun.com/document_detail/101867.html (SmsReport).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from ordersite.lib.http import Gateway, Reply
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.messaging.senders.aliyun_sms import codes, signature
from ordersite.messaging.senders.exchange import (
    code_of,
    host_of,
    post,
    read_object,
    secrets_of,
    text_of,
    without,
)
from ordersite.messaging.senders.interface import AddressKind, Sender
from ordersite.messaging.senders.phones import e164
from ordersite.messaging.senders.report_forms import MAX_CODE, json_reply, rows_of, time_of
from ordersite.messaging.senders.templates import template_problems
from ordersite.messaging.senders.types import (
    ChannelKeys,
    OutgoingMessage,
    Report,
    ReportCall,
    ReportReply,
    SendError,
    Sent,
)
from ordersite.outside_accounts.files import missing_keys

_ACTION, _VERSION = "SendSms", "2017-05-25"


class AliyunSms(Sender):
    """Text messages through Aliyun. It sends a message as often as it is asked to: `OutId` is given back, no more."""

    name = "aliyun_sms"
    label = _("Aliyun SMS")
    config_keys = ("access_key_id", "sign_name", "endpoint_url", "templates")
    secret_keys = ("access_key_secret",)
    address_kind = AddressKind.PHONE
    uses_templates = True
    takes_reports = True
    # The interface is documented with 5,000 calls a second of one account.
    most_a_second = 5000
    # Notices of one signature and template to one number; verification codes are fewer.
    most_a_day_per_number = 50

    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        url = keys.config.get("endpoint_url", "")
        problems = missing_keys(self, keys) + (address_problems("endpoint_url", url) if url else [])
        return problems + template_problems(keys)

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Send a text message; the vendor's number is its BizId. Raises `SendError`."""
        url = f"{keys.config.get('endpoint_url', '')}?{signature.query_of(_parameters(message, keys))}"
        reply = post(gateway, url, content=b"", headers=_headers(url, keys))
        return _read(reply, hidden=(*secrets_of(keys), message.recipient))

    def read_reports(self, call: ReportCall, keys: ChannelKeys) -> tuple[tuple[Report, ...], ReportReply]:
        """Read the reports of a call. Aliyun signs nothing; a status other than 200 brings the same reports again."""
        rows = rows_of(call.body)
        if rows is None:
            return (), json_reply(400, {"code": 1, "msg": "无法读取"})
        return tuple(_report(row, call) for row in rows), json_reply(200, {"code": 0, "msg": "成功"})


def _parameters(message: OutgoingMessage, keys: ChannelKeys) -> dict[str, str]:
    phone = e164(message.recipient)
    return {
        # Numbers abroad are country code and number, without the plus.
        "PhoneNumbers": phone.removeprefix("+86").removeprefix("+"),
        "SignName": str(keys.config.get("sign_name", "")),
        "TemplateCode": message.template_id,
        "TemplateParam": json.dumps(dict(message.params), ensure_ascii=False),
        "OutId": message.key,
    }


def _headers(url: str, keys: ChannelKeys) -> dict[str, str]:
    signed = {
        "host": host_of(url),
        "x-acs-action": _ACTION,
        "x-acs-content-sha256": signature.NO_BODY,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-version": _VERSION,
    }
    key_id, secret = str(keys.config.get("access_key_id", "")), keys.secrets.get("access_key_secret", "")
    return {**signed, "authorization": signature.authorization(url, signed, key_id=key_id, secret=secret)}


def _read(reply: Reply, *, hidden: tuple[str, ...]) -> Sent:
    answer = read_object(reply)
    code, words = text_of(answer, "Code"), text_of(answer, "Message")
    if code == codes.SUCCESS and reply.status == 200:
        return Sent(text_of(answer, "BizId"))
    ours = code_of(code, codes.CODES, otherwise="refused" if code and reply.status < 500 else "unknown")
    pause = codes.pause_of(words) if ours == "limit_reached" else None
    raise SendError(ours, without(f"{code} {words}", hidden), pause=pause)


def _report(row: Mapping[str, Any], call: ReportCall) -> Report:
    return Report(
        vendor_id=text_of(row, "biz_id"),
        key=text_of(row, "out_id"),
        is_delivered=row.get("success") is True,
        code=f"{text_of(row, 'err_code')} {text_of(row, 'err_msg')}".strip()[:MAX_CODE],
        at=time_of(text_of(row, "report_time"), otherwise=call.received_at),
    )
