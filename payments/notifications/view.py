"""Serve the webhook endpoint `/notify/<provider>/<account>/`: the first middleware and a reduced DRF view.

No other middleware runs: no session, no language, no CSRF.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from ordersite.server.machine_view import MachineMiddleware, MachineView
from payments.notifications.receive import receive
from payments.notifications.rejected import count_wrong_address, refuse
from payments.providers.registry import PROVIDERS
from payments.providers.responses import NotificationResponse

# Addresses are typed into providers' consoles by hand: too many slashes or none at the end are the same address.
_PATH = re.compile(r"/+notify/+(?P<provider>[a-z0-9]{1,20})/+(?P<account>[-\w]{1,40})/*", re.ASCII)

logger = logging.getLogger(__name__)


class NotifyMiddleware(MachineMiddleware):
    """Answers every request under /notify/."""

    begin = re.compile(r"/+notify(?:/|\Z)")

    def answer(self, request: HttpRequest) -> HttpResponse:
        match = _PATH.fullmatch(request.path_info)
        if match is None or match["provider"] not in PROVIDERS:
            count_wrong_address(request.path_info)
            return HttpResponse(b"", status=404, content_type="text/plain")
        return notify(request, **match.groupdict())


class NotifyView(MachineView):
    """Answer one call."""

    def post(self, request: Request, provider: str, account: str) -> HttpResponse:
        return _answer(receive(request._request, PROVIDERS[provider], account))

    def http_method_not_allowed(self, request: Request, *_args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        return _answer(refuse(PROVIDERS[kwargs["provider"]], "method_not_allowed"))

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Answer our own error with the provider's failure response, so that it retries."""
        logger.error("notify view failed", exc_info=exc)
        return _answer(PROVIDERS[self.kwargs["provider"]].failure("unavailable"))


notify = NotifyView.as_view()


def _answer(response: NotificationResponse) -> HttpResponse:
    return HttpResponse(response.body, status=response.status, content_type=response.content_type)
