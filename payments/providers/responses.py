"""The HTTP response to a notification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotificationResponse:
    """The response that the provider's protocol prescribes."""

    status: int
    content_type: str
    body: bytes


# The HTTP status of a failure response by its code. Any other code, such as those of `Rejected`, is 400.
FAILURE_STATUS: Mapping[str, int] = {
    "unknown_account": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "compressed": 415,
    "unavailable": 503,
}
