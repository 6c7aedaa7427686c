"""Delivery reports as the sandbox's vendors push them, read and answered by each sender until they are taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from ordersite.lib.http import Gateway
from ordersite.messaging.senders.registry import get_sender
from ordersite.messaging.senders.tests.sender_cases import OPENID, keys_at, message_for, send
from ordersite.messaging.senders.types import ChannelKeys, Report, ReportCall
from sandbox.tests.running import Running, wait_for

CHANNELS = ("aliyun_sms", "tencent_sms", "wechat_template", "wechat_subscribe")


class ReportAddress:
    """Our address for the reports of one account; the first call is answered with a 503."""

    def __init__(self, server: HTTPServer, keys: ChannelKeys) -> None:
        self.url = server.url_for("/reports")
        self.keys = keys
        self.calls = 0
        self.reports: list[Report] = []
        server.expect_request("/reports").respond_with_handler(self._respond)

    def _respond(self, request: Request) -> Response:
        self.calls += 1
        if self.calls == 1:
            return Response(status=503)
        call = ReportCall(method=request.method, query=dict(request.args), body=request.get_data())
        reports, reply = get_sender(self.keys.channel).read_reports(call, self.keys)
        self.reports += reports
        return Response(reply.body, reply.status, content_type=reply.content_type)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


@pytest.mark.parametrize("is_delivered", [True, False])
@pytest.mark.parametrize("channel", CHANNELS)
def test_report_until_it_is_taken(box: Running, server: HTTPServer, channel: str, is_delivered: bool) -> None:
    keys, sender = keys_at(box, channel), get_sender(channel)
    address = ReportAddress(server, keys)
    box.control("report_address", channel=channel, url=address.url)
    box.control("consent", openid=OPENID, template=message_for(keys).template_id)
    if not is_delivered:
        box.control("faults", target="message.report", fault="failed", times=None)
    token = sender.fetch_token(keys, Gateway()).value if sender.needs_token else ""

    sent = send(keys, token=token)

    wait_for(lambda: box.inbox(channel=channel)[0]["report"] == "done")
    box.control("report_address", channel=channel, url="")
    (report,) = address.reports
    assert (report.vendor_id, report.is_delivered) == (sent.vendor_id, is_delivered)
    assert report.key == ("m-1" if channel == "aliyun_sms" else "")
