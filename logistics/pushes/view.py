"""Serve the push addresses `/push/<carrier>/<token>/`: the second middleware and a reduced DRF view.

No other middleware runs: no session, no language, no CSRF. The token opens something by itself, so it stands in no log.
"""

from __future__ import annotations

import logging
import re

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from logistics.carriers.registry import CARRIERS
from logistics.carriers.types import PushReply
from logistics.pushes.receive import receive
from logistics.pushes.rejected import count_wrong_address, failure, refuse
from ordersite.server.machine_view import MachineMiddleware, MachineView, unlogged_response

# Addresses are typed into carriers' consoles by hand: too many slashes or none at the end are the same address.
_PATH = re.compile(r"/+push/+(?P<carrier>[a-z0-9]{1,20})/+(?P<token>[-\w]{16,64})/*", re.ASCII)

logger = logging.getLogger(__name__)


class PushMiddleware(MachineMiddleware):
    """Answers every request under /push/."""

    begin = re.compile(r"/+push(?:/|\Z)")

    def answer(self, request: HttpRequest) -> HttpResponse:
        match = _PATH.fullmatch(request.path_info)
        connector = CARRIERS.get(match["carrier"]) if match else None
        if match is None or connector is None or not connector.takes_pushes:
            count_wrong_address()
            return _answer(PushReply(404, "text/plain", b""))
        return push(request, **match.groupdict())


class PushView(MachineView):
    """Answer one push."""

    def post(self, request: Request, carrier: str, token: str) -> HttpResponse:
        return _answer(receive(request._request, CARRIERS[carrier], token))

    def http_method_not_allowed(self, request: Request, *_args: str, **kwargs: str) -> HttpResponse:  # type: ignore[override]
        return _answer(refuse(CARRIERS[kwargs["carrier"]], "method_not_allowed"))

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Answer our own error with the carrier's failure reply, so that it retries."""
        logger.error("push view failed", exc_info=exc)
        return _answer(failure(CARRIERS[self.kwargs["carrier"]], "unavailable"))


push = PushView.as_view()


def _answer(reply: PushReply) -> HttpResponse:
    if reply.status >= 400:
        logger.warning("push refused", extra={"status": reply.status})
    return unlogged_response(reply.status, reply.content_type, reply.body)
