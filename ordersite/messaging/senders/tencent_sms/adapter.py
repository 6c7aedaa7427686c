"""Tencent Cloud's text messages: SendSms of 2021-01-11, and its delivery reports.

Sources: cloud.tencent.com/document/api/382/55981 (SendSms), cloud.tencent.com/document/product/382/5807 (reports).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ordersite.lib.http import Gateway, Reply
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.messaging.senders.exchange import (
    code_of,
    host_of,
    json_body,
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
from ordersite.messaging.senders.tencent_sms import codes, signature
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

_ACTION, _VERSION, _SERVICE = "SendSms", "2021-01-11", "sms"
# Of the three regions that send to the mainland; the others are copies of the same service.
_REGION = "ap-guangzhou"
# SessionContext takes less than 512 bytes.
_MOST_CONTEXT = 511


class TencentSms(Sender):
    """Text messages through Tencent Cloud. Parameters are positional: the order of `params` is the template's."""

    name = "tencent_sms"
    label = gettext_lazy("Tencent Cloud SMS")
    config_keys = ("secret_id", "sdk_app_id", "sign_name", "endpoint_url", "templates")
    secret_keys = ("secret_key",)
    optional_config_keys = ("region",)
    address_kind = AddressKind.PHONE
    uses_templates = True
    takes_reports = True
    most_a_second = 3000
    # The console's own setting, which a shop may raise: one in 30 seconds, five an hour, ten a day.
    most_a_day_per_number = 10

    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        url, app = keys.config.get("endpoint_url", ""), str(keys.config.get("sdk_app_id", ""))
        problems = missing_keys(self, keys) + (address_problems("endpoint_url", url) if url else [])
        if app and not re.fullmatch(r"[0-9]{5,20}", app, re.ASCII):
            problems.append(_("sdk_app_id must be a number."))
        return problems + template_problems(keys)

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Send a text message; the vendor's number is its SerialNo. Raises `SendError`."""
        url, body = str(keys.config.get("endpoint_url", "")), json_body(_content(message, keys))
        call = signature.SignedCall(
            url=url,
            host=host_of(url),
            service=_SERVICE,
            action=_ACTION,
            body=body,
            timestamp=int(time.time()),
        )
        reply = post(gateway, url, content=body, headers=_headers(call, keys))
        return _read(reply, hidden=(*secrets_of(keys), message.recipient))

    def read_reports(self, call: ReportCall, keys: ChannelKeys) -> tuple[tuple[Report, ...], ReportReply]:
        """Read the reports of a call. Tencent Cloud signs nothing."""
        rows = rows_of(call.body)
        if rows is None:
            return (), json_reply(400, {"result": 1, "errmsg": "unreadable"})
        return tuple(_report(row, call) for row in rows), json_reply(200, {"result": 0, "errmsg": "OK"})


def _content(message: OutgoingMessage, keys: ChannelKeys) -> dict[str, Any]:
    return {
        "PhoneNumberSet": [e164(message.recipient)],
        "SmsSdkAppId": str(keys.config.get("sdk_app_id", "")),
        "SignName": str(keys.config.get("sign_name", "")),
        "TemplateId": message.template_id,
        "TemplateParamSet": list(message.params.values()),
        "SessionContext": message.key[:_MOST_CONTEXT],
    }


def _headers(call: signature.SignedCall, keys: ChannelKeys) -> dict[str, str]:
    secret_id, secret_key = str(keys.config.get("secret_id", "")), keys.secrets.get("secret_key", "")
    return {
        "content-type": signature.CONTENT_TYPE,
        "x-tc-action": _ACTION,
        "x-tc-version": _VERSION,
        "x-tc-timestamp": str(call.timestamp),
        "x-tc-region": str(keys.config.get("region") or _REGION),
        "authorization": signature.authorization(call, secret_id=secret_id, secret_key=secret_key),
    }


def _read(reply: Reply, *, hidden: tuple[str, ...]) -> Sent:
    answer = read_object(reply).get("Response")
    answer = answer if isinstance(answer, dict) else {}
    error, listed = answer.get("Error"), answer.get("SendStatusSet")
    if isinstance(error, dict):
        raise _error(error, hidden)
    status = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else None
    if status is None:
        raise SendError("unknown", f"HTTP {reply.status} without a status")
    if text_of(status, "Code") != codes.SUCCESS:
        raise _error(status, hidden)
    return Sent(text_of(status, "SerialNo"))


def _error(answer: Mapping[str, Any], hidden: tuple[str, ...]) -> SendError:
    code, words = text_of(answer, "Code"), text_of(answer, "Message")
    ours = code_of(code, codes.CODES, otherwise="refused" if code else "unknown")
    return SendError(ours, without(f"{code} {words}", hidden), pause=codes.pause_of(code))


def _report(row: Mapping[str, Any], call: ReportCall) -> Report:
    return Report(
        vendor_id=text_of(row, "sid"),
        is_delivered=text_of(row, "report_status") == "SUCCESS",
        code=f"{text_of(row, 'errmsg')} {text_of(row, 'description')}".strip()[:MAX_CODE],
        at=time_of(text_of(row, "user_receive_time"), otherwise=call.received_at),
    )
