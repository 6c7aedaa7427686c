"""The HTTP client: every call to a provider or carrier goes through a `Gateway`.

A call ends within its total time, and connects only to an address that was checked for it. Bodies are bounded,
redirects are not followed, cookies are not kept, proxies of the environment are not used. Nothing is retried here: after
a time-out only the caller knows what is safe.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx2
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.outgoing.addresses import AddressRefused, address_problems, targets_of
from ordersite.lib.outgoing.connection import BoundTransport, Call, within

# The read time-out begins again with each byte; this one bounds the whole call, from the look-up of the name on.
TOTAL_SECONDS = 20.0
# A file of a busy day may be large and its server slow; between two bytes it may be silent this long.
DOWNLOAD_SECONDS = 600.0
DOWNLOAD_SILENCE = 30.0
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
    """Return the host of an http(s) URL without credentials. Raises ValueError for any other text."""
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
    """Whether the URL names this machine.

    A name other than localhost is not looked up.
    """
    try:
        host = _host(url)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_enough(url: str) -> bool:
    """Whether secrets may travel there: https, or plain http to where the settings allow it.

    False too for an address inside a network that outgoing calls may not reach. A name is not looked up.
    """
    return is_web_address(url) and not address_problems("", url)


def _unknown_outcome(code: str) -> OutsideError:
    return OutsideError(
        code, _("The other side did not answer in full."), retryable=True, outcome_known=False
    )


def _unreachable() -> OutsideError:
    return OutsideError("provider_unreachable", _("The other side cannot be reached."), retryable=True)


def _chunks(response: httpx2.Response, *, max_bytes: int) -> Iterator[bytes]:
    size = 0
    # Raw, because a small compressed answer can unpack to gigabytes; we ask for identity anyway.
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > max_bytes:
            raise _unknown_outcome("provider_answer_too_large")
        yield chunk
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _unknown_outcome("provider_answer_compressed")


def _read_body(response: httpx2.Response, *, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in _chunks(response, max_bytes=max_bytes):
        body += chunk
    return bytes(body)


@contextmanager
def _arriving(target: Path) -> Iterator[BinaryIO]:
    """Open a private temporary file beside `target`; on success it replaces `target`, otherwise it is deleted."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class Gateway:
    """A bounded HTTP client. Time-outs are seconds. Safe for threads.

    `total` bounds a whole call, however its parts are spread; the others bound one step of it, `connect`
    also the wait for a free connection. A forked child gets
    connections of its own.
    """

    def __init__(
        self,
        *,
        connect: float = 2.0,
        read: float = 5.0,
        write: float = 5.0,
        total: float = TOTAL_SECONDS,
        max_bytes: int = 1_000_000,
    ) -> None:
        self._total = total
        self._timeout = httpx2.Timeout(connect=connect, read=read, write=write, pool=connect)
        self._max_bytes = max_bytes
        self._clients: dict[int, httpx2.Client] = {}

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a POST. Raises `OutsideError`; `outcome_known` is False when the request may have been acted upon."""
        return self._send("POST", url, content=content, headers=headers)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a GET. Raises `OutsideError` like `post`."""
        return self._send("GET", url, content=b"", headers=headers or {})

    def download(self, url: str, *, headers: Mapping[str, str], target: Path, max_bytes: int) -> Reply:
        """Stream a file to `target` (mode 0600) with little memory, within DOWNLOAD_SECONDS.

        The file is there only after a complete answer with status 200, whose reply has an empty body; an answer of any
        other status leaves no file and has its body in the reply. Raises `OutsideError` like `post`, and OSError when
        the disk does not take the file; both leave nothing behind.
        """

        def save(response: httpx2.Response) -> bytes:
            if response.status_code != 200:
                return _read_body(response, max_bytes=self._max_bytes)
            with _arriving(target) as file:
                for chunk in _chunks(response, max_bytes=max_bytes):
                    file.write(chunk)
            return b""

        timeout = {**self._timeout.as_dict(), "read": DOWNLOAD_SILENCE}
        return self._exchange(
            lambda: self._client().build_request(
                "GET", url, headers=dict(headers), timeout=httpx2.Timeout(**timeout)
            ),
            url,
            read=save,
            until=time.monotonic() + DOWNLOAD_SECONDS,
        )

    def _client(self) -> httpx2.Client:
        # By process id: sockets shared with a parent would mix up answers. The parent's client stays
        # referenced, so that the child does not close its connections. setdefault instead of a lock, which a
        # fork could copy locked.
        found = self._clients.get(os.getpid())
        return found or self._clients.setdefault(os.getpid(), self._new_client())

    def _new_client(self) -> httpx2.Client:
        return httpx2.Client(
            transport=BoundTransport(),
            timeout=self._timeout,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"user-agent": "ordersite", "accept-encoding": "identity"},
        )

    def _send(self, method: str, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        return self._exchange(
            lambda: self._client().build_request(method, url, content=content, headers=dict(headers)),
            url,
            read=lambda response: _read_body(response, max_bytes=self._max_bytes),
            until=time.monotonic() + self._total,
        )

    def _exchange(
        self,
        build: Callable[[], httpx2.Request],
        url: str,
        *,
        read: Callable[[httpx2.Response], bytes],
        until: float,
    ) -> Reply:
        start = time.monotonic()
        try:
            with within(self._call(url, until)):
                response = self._client().send(build(), stream=True)
                try:
                    body = read(response)
                finally:
                    response.close()
        except _NOT_SENT as error:
            raise _unreachable() from error
        except httpx2.HTTPError as error:
            raise _unknown_outcome("provider_timeout") from error
        return Reply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            duration_ms=round((time.monotonic() - start) * 1000),
        )

    def _call(self, url: str, until: float) -> Call:
        """Check the address and resolve it, once. Raises `OutsideError`; nothing was sent."""
        if not is_web_address(url):
            raise OutsideError("bad_address", _("The address is not an http address."), retryable=False)
        left = until - time.monotonic()
        try:
            targets = targets_of(url, seconds=min(self._timeout.connect or left, left))
        except AddressRefused as refused:
            message = _("%(host)s may not be called: it is no public address, or it is not called by https.")
            raise OutsideError("bad_address", message, retryable=False, host=refused.place) from refused
        except ValueError as error:
            raise OutsideError(
                "bad_address", _("The address is not an http address."), retryable=False
            ) from error
        except OSError as error:  # TimeoutError is one
            raise _unreachable() from error
        return Call(tuple(targets), until)


_SHARED = Gateway()


def gateway() -> Gateway:
    """Return the gateway that this process shares."""
    return _SHARED
