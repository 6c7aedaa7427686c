"""Serve the addresses for delivery reports, `/push/message/<channel>/<token>/`: a middleware and a reduced DRF view.

No other middleware runs: no session, no language, no CSRF. The token opens something by itself, so it stands in no log.
"""

from __future__ import annotations

import logging
import re

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from ordersite.messaging.reports.receive import receive, refuse, refuse_address
from ordersite.messaging.senders.registry import SENDERS
from ordersite.messaging.senders.types import ReportReply
from ordersite.server.machine_view import MachineMiddleware, MachineView, unlogged_response

# Addresses are typed into vendors' consoles by hand: too many slashes or none at the end are the same address.
_PATH = re.compile(r"/+push/+message/+(?P<channel>[a-z0-9_]{1,20})/+(?P<token>[-\w]{16,64})/*", re.ASCII)

logger = logging.getLogger(__name__)


class ReportMiddleware(MachineMiddleware):
    """Answers every request under /push/message/."""

    begin = re.compile(r"/+push/+message(?:/|\Z)")

    def answer(self, request: HttpRequest) -> HttpResponse:
        match = _PATH.fullmatch(request.path_info)
        sender = SENDERS.get(match["channel"]) if match else None
        if match is None or sender is None or not sender.takes_reports:
            return _answer(refuse_address())
        return take_report(request, **match.groupdict())


class ReportView(MachineView):
    """Answer one call with reports. WeChat checks an address by GET."""

    http_method_names = ("get", "post")  # type: ignore[assignment]

    def get(self, request: Request, channel: str, token: str) -> HttpResponse:
        return _answer(receive(request._request, SENDERS[channel], token))

    def post(self, request: Request, channel: str, token: str) -> HttpResponse:
        return _answer(receive(request._request, SENDERS[channel], token))

    def http_method_not_allowed(self, request: Request, *_args: str, **kwargs: str) -> HttpResponse:  # type: ignore[override]
        return _answer(refuse(kwargs["channel"], "method_not_allowed"))

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Answer our own error with a failure, so that the vendor sends the reports again."""
        logger.error("report view failed", exc_info=exc)
        return _answer(refuse(self.kwargs["channel"], "unavailable"))


take_report = ReportView.as_view()


def _answer(reply: ReportReply) -> HttpResponse:
    if reply.status >= 400:
        logger.warning("report refused", extra={"status": reply.status})
    return unlogged_response(reply.status, reply.content_type, reply.body)
