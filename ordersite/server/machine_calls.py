"""Reads the call of an outside machine: the raw body, all headers for its verification, and a bounded set to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from ordersite.server import request_id
from ordersite.server.client_address import sender_of

# The largest call that is read, in bytes.
MAX_BODY = 64 * 1024
# Bounds on the headers that are stored. Those that the signature needs are kept first, so that the call can be verified
# again however many headers the proxies before us have added.
_MOST_HEADERS, _LONGEST_HEADER, _LONGEST_SIGNED = 40, 1000, 8000
# No provider compresses its calls, and decompressing would be work that anybody could cause.
_COMPRESSIONS = frozenset(("gzip", "x-gzip", "deflate", "br", "zstd", "compress"))
_REQUEST_ID = request_id.HEADER.lower()
_SECRET_HEADERS = frozenset(("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"))


@dataclass(frozen=True, slots=True)
class MachineCall:
    """A call as it arrived. Header names are in lower case; of `headers`, `kept_headers` are to be stored."""

    headers: Mapping[str, str]
    kept_headers: Mapping[str, str]
    body: bytes
    remote_address: str


def refusal_before_reading(request: HttpRequest) -> str:
    """Why this call is not read: `too_large` or `compressed`; empty for one that is."""
    if _content_length(request) > MAX_BODY:
        return "too_large"
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    return "compressed" if encoding in _COMPRESSIONS else ""


def read_machine_call(request: HttpRequest, *, signed: frozenset[str] = frozenset()) -> MachineCall:
    """Read the whole request; `signed` are the headers that the signature needs.

    The body of a chunked request is cut at one byte over MAX_BODY. Raises UnreadablePostError when it does not arrive.
    """
    headers = _headers(request.META)
    # The id joins the row with the logs, ours and the proxy's.
    found = {_REQUEST_ID: request_id.current()} if request_id.current() else {}
    return MachineCall(
        headers=headers,
        kept_headers=_kept(headers | found, signed | found.keys()),
        body=_body(request),
        remote_address=sender_of(request.META, settings.TRUSTED_PROXIES),
    )


def _content_length(request: HttpRequest) -> int:
    """Return the announced length in bytes; 0 when it is missing or not a number."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else 0


def _body(request: HttpRequest) -> bytes:
    """Return the raw body, cut at one byte over MAX_BODY for a chunked one.

    Django reads no body without Content-Length. For a chunked request the server sets `wsgi.input_terminated`, so that
    the input can be read to its end.
    """
    if request.META.get("CONTENT_LENGTH") or not request.META.get("wsgi.input_terminated"):
        return request.body
    return bytes(request.META["wsgi.input"].read(MAX_BODY + 1))


def _headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Return all headers, names in lower case; the values of credentials are replaced."""
    found = {"content-type": str(meta.get("CONTENT_TYPE", ""))}
    for name, value in meta.items():
        if name.startswith("HTTP_"):
            found[name[5:].replace("_", "-").lower()] = "(not kept)" if name in _SECRET_HEADERS else value
    return found


def _kept(headers: Mapping[str, str], signed: frozenset[str]) -> dict[str, str]:
    """Return a bounded number of the headers, those of the signature first, cut to bounded lengths."""
    first = [name for name in headers if name in signed]
    names = first + [name for name in headers if name not in signed]
    return {
        name: headers[name][: _LONGEST_SIGNED if name in signed else _LONGEST_HEADER].replace("\0", "")
        for name in names[:_MOST_HEADERS]
    }
