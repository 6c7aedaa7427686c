"""Serve the addresses for delivery reports, `/push/message/<channel>/<token>/`: a middleware and a reduced DRF view.

No other middleware runs: no session, no language, no CSRF. The token opens something by itself, so it stands in no log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from ordersite.messaging.reports.receive import receive, refuse, refuse_address
from ordersite.messaging.senders.registry import SENDERS
from ordersite.messaging.senders.types import ReportReply
from ordersite.server.machine_view import MachineView

# Addresses are typed into vendors' consoles by hand: too many slashes or none at the end are the same address.
_PATH = re.compile(r"/+push/+message/+(?P<channel>[a-z0-9_]{1,20})/+(?P<token>[-\w]{16,64})/*", re.ASCII)
_BEGIN = re.compile(r"/+push/+message(?:/|\Z)")

logger = logging.getLogger(__name__)


class ReportMiddleware:
    """Answer every request under /push/message/ before any other middleware runs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not _BEGIN.match(request.path_info):
            return self.get_response(request)
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
    response = HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)
    if reply.status >= 400:
        logger.warning("report refused", extra={"status": reply.status})
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django would log the path, token and all
    return response
