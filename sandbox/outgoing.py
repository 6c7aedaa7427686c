"""Sends calls to the merchant: a new connection each, no redirects, a bounded response."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MAX_ANSWER = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call. `timeout` is in seconds, for each step of the connection."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class CallReply:
    """The merchant's response to a notification. Status 0 means that none was read; `body` is then the reason."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    duration_ms: int = 0


def send(call: Call) -> CallReply:
    """Make the call. Never raises for a failing network: that is an answer with status 0."""
    begun = time.monotonic()
    try:
        status, headers, body = _exchange(call)
    except (OSError, http.client.HTTPException, ValueError) as error:
        status, headers, body = 0, {}, f"{type(error).__name__}: {error}".encode()
    return CallReply(status, body, headers, round((time.monotonic() - begun) * 1000))


def _exchange(call: Call) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(call.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http address: {call.url[:200]!r}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=call.timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(call.method, target, call.body or None, {"Connection": "close", **call.headers})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read(MAX_ANSWER)
    finally:
        connection.close()
