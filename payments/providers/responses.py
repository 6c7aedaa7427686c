"""The HTTP response to a notification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotificationResponse:
    """What the provider is answered, in its own words."""

    status: int
    content_type: str
    body: bytes


# Causes of a failure answer that are not rejections, with their HTTP status. Anything else is 400.
FAILURE_STATUS: Mapping[str, int] = {
    "unknown_account": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "compressed": 415,
    "unavailable": 503,
}
