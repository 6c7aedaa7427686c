"""The types that handlers take and return: a request with its raw body, a response, or a closed connection."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote


class HangUp(Exception):
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are lower-case; `query` is the raw text after the question mark."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; the server adds the length."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(value: object, *, status: int = 200) -> Response:
    """UTF-8 JSON without escapes."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, body, "application/json; charset=utf-8")


def html_response(text: str, *, status: int = 200) -> Response:
    """A page that is never kept by the browser, since its content changes by itself."""
    return Response(status, text.encode(), "text/html; charset=utf-8", {"Cache-Control": "no-store"})


def redirect(url: str) -> Response:
    """303: the browser follows with GET. What may not stand in a header is percent-encoded."""
    location = quote(url, safe="%/:?#[]@!$&'()*+,;=~")
    return Response(303, headers={"Location": location, "Cache-Control": "no-store"})


def read_form(text: str, *, charset: str) -> dict[str, str]:
    """Decode a form or query once. Raises ValueError for another charset, bad bytes or a repeated key."""
    if charset.lower() not in {"utf-8", "gbk", "gb2312", "gb18030"}:
        raise ValueError(f"charset {charset!r}")
    pairs = parse_qsl(text, keep_blank_values=True, encoding=charset, errors="strict")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("repeated key")
    return fields


def read_json(body: bytes) -> dict[str, object]:
    """Read a JSON object; an empty body is an empty one. Raises ValueError."""
    value = json.loads(body or b"{}")
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
