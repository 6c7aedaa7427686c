"""The one way out: every call to a provider or carrier goes through a `Gateway`.

Time-outs are explicit, bodies are bounded, redirects are not followed, cookies are not kept, proxies of the
environment are not used. Nothing is retried here: after a time-out only the caller knows what is safe.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx2
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError

# The read time-out begins again with each byte; this one bounds the whole answer.
TOTAL_SECONDS = 20.0
# Raised before the request has left this machine: the other side cannot have acted on it.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
    httpx2.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer of any status; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int


def _host(url: str) -> str:
    """The host of an http(s) address without credentials; ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an http address")
    return parts.hostname


def is_web_address(url: str) -> bool:
    """Whether a `Gateway` takes this address."""
    try:
        return bool(_host(url)) and (urlsplit(url).port or 1) > 0
    except ValueError:
        return False


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine by its own words.

    A name other than localhost is not looked up.
    """
    try:
        host = _host(url)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_enough(url: str) -> bool:
    """Whether secrets may travel there: https, or plain http that does not leave this machine."""
    return is_web_address(url) and (urlsplit(url).scheme == "https" or is_loopback(url))


def _unknown_outcome(code: str) -> OutsideError:
    return OutsideError(
        code, _("The other side did not answer in full."), retryable=True, outcome_known=False
    )


def _read_body(response: httpx2.Response, *, max_bytes: int, until: float) -> bytes:
    body = bytearray()
    # Raw, because a small compressed answer can unpack to gigabytes; we ask for identity anyway.
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise _unknown_outcome("provider_answer_too_large")
        if time.monotonic() > until:
            raise _unknown_outcome("provider_timeout")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _unknown_outcome("provider_answer_compressed")
    return bytes(body)


class Gateway:
    """A bounded HTTP client. Time-outs are seconds. Safe for threads.

    A forked child gets connections of its own.
    """

    def __init__(
        self,
        *,
        connect: float = 2.0,
        read: float = 5.0,
        write: float = 5.0,
        pool: float = 2.0,
        max_bytes: int = 1_000_000,
    ) -> None:
        self._timeout = httpx2.Timeout(connect=connect, read=read, write=write, pool=pool)
        self._max_bytes = max_bytes
        self._clients: dict[int, httpx2.Client] = {}

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Raises `OutsideError`; `outcome_known` is False when the request may have been acted upon."""
        return self._send("POST", url, content=content, headers=headers)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Raises `OutsideError` like `post`."""
        return self._send("GET", url, content=b"", headers=headers or {})

    def _client(self) -> httpx2.Client:
        # By process id: sockets shared with a parent would mix up answers. The parent's client stays
        # referenced, so that the child does not close its connections. setdefault instead of a lock, which a
        # fork could copy locked.
        found = self._clients.get(os.getpid())
        return found or self._clients.setdefault(os.getpid(), self._new_client())

    def _new_client(self) -> httpx2.Client:
        return httpx2.Client(
            timeout=self._timeout,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"user-agent": "ordersite", "accept-encoding": "identity"},
        )

    def _send(self, method: str, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        if not is_web_address(url):
            raise OutsideError("bad_address", _("The address is not an http address."), retryable=False)
        start = time.monotonic()
        try:
            return self._exchange(
                self._client().build_request(method, url, content=content, headers=dict(headers)), start
            )
        except _NOT_SENT as error:
            raise OutsideError(
                "provider_unreachable", _("The other side cannot be reached."), retryable=True
            ) from error
        except httpx2.HTTPError as error:
            raise _unknown_outcome("provider_timeout") from error

    def _exchange(self, request: httpx2.Request, start: float) -> Reply:
        response = self._client().send(request, stream=True)
        try:
            body = _read_body(response, max_bytes=self._max_bytes, until=start + TOTAL_SECONDS)
        finally:
            response.close()
        return Reply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            duration_ms=round((time.monotonic() - start) * 1000),
        )


_SHARED = Gateway()


def gateway() -> Gateway:
    """The gateway that this process shares."""
    return _SHARED
