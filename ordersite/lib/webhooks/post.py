"""Sends signed Standard Webhooks. Needs no database, so that threads may call; never raises."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Reply, gateway
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers

LONGEST_PAUSE = timedelta(hours=1)
# The code of a try that waited too long in this process.
BUSY = "busy"
_TOO_MANY = 429

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedPost:
    """One try to send a message.

    `older_secrets` sign it beside `secret` while that rotates. `send_before` is a moment of `time.monotonic`: later it is
    not sent.
    """

    url: str
    secret: str
    message_id: str
    body: bytes
    send_before: float
    older_secrets: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """Sign it now. Raises ValueError for a secret that is none."""
        return signed_headers(
            secret_bytes(self.secret),
            self.body,
            message_id=self.message_id,
            at=timezone.now(),
            older_keys=[secret_bytes(secret) for secret in self.older_secrets],
        )


@dataclass(frozen=True, slots=True)
class PostResult:
    """How a try ended. `reply` is None where no answer was read, and `code` says why.

    `may_have_arrived` is False where the message certainly did not.
    """

    reply: Reply | None = None
    code: str = ""
    may_have_arrived: bool = True
    duration_ms: int = 0


def not_sent(code: str) -> PostResult:
    """The result of a try that never went out."""
    return PostResult(code=code, may_have_arrived=False)


def post_signed(message: SignedPost) -> PostResult:
    """Make the call."""
    if time.monotonic() > message.send_before:
        return not_sent(BUSY)
    started = time.monotonic()
    try:
        reply = gateway().post(message.url, content=message.body, headers=message.headers())
    except OutsideError as error:
        spent = round((time.monotonic() - started) * 1000)
        return PostResult(code=error.code, may_have_arrived=not error.outcome_known, duration_ms=spent)
    except Exception:  # the edge of a thread: the error is in the log, and the try counts as lost
        logger.exception("a webhook failed", extra={"message_id": message.message_id})
        return PostResult(code="fault")
    return PostResult(reply, duration_ms=reply.duration_ms)


def is_outage(status: int | None) -> bool:
    """Whether an address that answered so (None: not at all) failed to answer, for its circuit breaker."""
    return status is None or status >= 500 or status == _TOO_MANY


def asked_pause(headers: Mapping[str, str]) -> timedelta:
    """What the Retry-After header asks for in seconds, at most LONGEST_PAUSE; a date in it is not read."""
    text = headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        return timedelta()
    return min(timedelta(seconds=int(text)), LONGEST_PAUSE)
