"""Reading a provider's call as it came: the raw body and bounded headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from ordersite.server.client_address import sender_of
from payments.accounts.cache import Known
from payments.providers.types import RawNotification
from payments.providers.values import MAX_BODY

# What is kept of the headers: bounded, and without what only our own side may read.
_MOST_HEADERS, _LONGEST_HEADER = 40, 1000


# No provider packs its calls; unpacking would be work that an outsider can ask for.
COMPRESSIONS = frozenset(("gzip", "x-gzip", "deflate", "br", "zstd", "compress"))


_SECRET_HEADERS = frozenset(("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"))


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call on its way: what came, whose it is, and when (UTC, and by the monotonic clock)."""

    known: Known
    call: RawNotification
    headers: Mapping[str, str]
    remote_address: str
    started: float


def content_length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else 0


def read_call(request: HttpRequest, known: Known, started: float) -> ReceivedCall:
    headers = _headers(request.META)
    call = RawNotification(headers=headers, body=_body(request), received_at=timezone.now())
    return ReceivedCall(known, call, headers, sender_of(request.META, settings.TRUSTED_PROXIES), started)


def _body(request: HttpRequest) -> bytes:
    """The body as it came, or one byte more than we take.

    Django reads nothing of a call without Content-Length. A sender may stream in chunks instead; the server has put
    them together and says that its input ends.
    """
    if request.META.get("CONTENT_LENGTH") or not request.META.get("wsgi.input_terminated"):
        return request.body
    return bytes(request.META["wsgi.input"].read(MAX_BODY + 1))


def _headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Bounded, lower case; what a provider never needs and others must not read is left out."""
    found = {"content-type": str(meta.get("CONTENT_TYPE", ""))[:_LONGEST_HEADER]}
    for name, value in meta.items():
        if name.startswith("HTTP_") and len(found) < _MOST_HEADERS:
            kept = "(not kept)" if name in _SECRET_HEADERS else value[:_LONGEST_HEADER].replace("\0", "")
            found[name[5:].replace("_", "-").lower()] = kept
    return found
