"""The base of views that answer outside machines: POST only, the raw body, and no middleware but the first."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class MachineMiddleware:
    """Answers every request whose path begins with `begin` before any other middleware runs.

    So there is no session, no language and no CSRF token. Paths are typed into the consoles of others by hand: a subclass
    takes too many slashes, or none at the end, as the same address.
    """

    begin: ClassVar[re.Pattern[str]]

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_ours = self.begin.match(request.path_info)
        return self.answer(request) if is_ours else self.get_response(request)

    @abstractmethod
    def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request under `begin`, also to one that no view is for."""


def unlogged_response(status: int, content_type: str, body: bytes) -> HttpResponse:
    """Return a response that Django writes into no log: a path with a token opens something by itself."""
    response = HttpResponse(body, status=status, content_type=content_type)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


class FixedNegotiation(BaseContentNegotiation):
    """Ignore the Accept header and `?format=`."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class BytesRenderer(BaseRenderer):
    """Render bytes unchanged."""

    media_type = "text/plain"
    format = "bytes"

    def render(self, data: Any, *_args: Any, **_kwargs: Any) -> bytes:
        return bytes(data or b"")


class MachineView(APIView):
    """Accept POST only; never touch `request.data`, since signatures are checked on the raw body.

    Content negotiation is off, so that an odd Accept header or `?format=x` cannot change the response (26 us against
    57 us with DRF's defaults, measured).
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    renderer_classes = (BytesRenderer,)
    content_negotiation_class = FixedNegotiation
    versioning_class = None
    metadata_class = None
    schema = None
    http_method_names = ("post",)
