"""Signs and verifies Standard Webhooks 1.0.0: HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{raw body}`.

The signature header is a list of `v1,<base64>` items separated by blanks; it has several while a key rotates.
Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache

from ordersite.lib.crypto import same, strict_base64

HEADERS = frozenset(("webhook-id", "webhook-timestamp", "webhook-signature"))
TOLERANCE_SECONDS = 300
_MAX_SIGNATURES = 20
_PREFIX = "whsec_"
_ID = re.compile(r"[!-\-/-~]{1,200}", re.ASCII)  # printable, no blank, no dot
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)


class UntrustedMessage(Exception):
    """A message that is not genuine. `code`: bad_signature, stale_timestamp, missing_field or malformed."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail = code, detail


@lru_cache(maxsize=512)
def secret_bytes(secret: str) -> bytes:
    """The key of a secret (`whsec_` and the base64 of 24 to 64 bytes). Raises ValueError, which never shows it."""
    try:
        key = strict_base64(secret.removeprefix(_PREFIX))
    except ValueError:
        raise ValueError("not whsec_ and base64") from None
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("not whsec_ and the base64 of 24 to 64 bytes")
    return key


def signature(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """One item of the webhook-signature header."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def signed_headers(
    key: bytes, body: bytes, *, message_id: str, at: datetime, older_keys: Sequence[bytes] = ()
) -> dict[str, str]:
    """The headers of a signed request, content type included.

    `message_id` must be the same for all retries of one request; `at` is an aware time. `older_keys` sign as well, so
    that a receiver that has not changed its secret yet takes the request.
    """
    timestamp = str(int(at.timestamp()))
    signatures = (
        signature(one, message_id=message_id, timestamp=timestamp, body=body) for one in (key, *older_keys)
    )
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def check_signature(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], at: datetime) -> str:
    """The webhook-id of a genuine message that is not stale, signed with one of `secrets`. Raises `UntrustedMessage`.

    Header names are in lower case; `at` is when the message arrived (aware). The age is checked last, so that
    `stale_timestamp` always means a genuine message that was too late or too early.
    """
    message_id, timestamp, given = (
        _header(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature")
    )
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise UntrustedMessage("malformed", "webhook-id or webhook-timestamp")
    items = given.split(" ")[:_MAX_SIGNATURES]
    expected = [
        signature(key, message_id=message_id, timestamp=timestamp, body=body) for key in _usable_keys(secrets)
    ]
    if not any(same(item, good) for item in items for good in expected):
        raise UntrustedMessage("bad_signature")
    if abs(at.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise UntrustedMessage("stale_timestamp")
    return message_id


def _usable_keys(secrets: Sequence[str]) -> Iterator[bytes]:
    # An unusable old secret must not reject messages that the new one signs.
    for secret in secrets:
        with suppress(ValueError):
            yield secret_bytes(secret)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise UntrustedMessage("missing_field", name)
    return value
