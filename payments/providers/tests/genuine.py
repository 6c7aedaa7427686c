"""The form in which each provider's tests offer genuine notifications to the forgery test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from payments.providers.types import AccountKeys, RawNotification


@dataclass(frozen=True, slots=True)
class GenuineNotification:
    """A notification that its account accepts, and how many one-byte changes of it are tried.

    `is_raw_signed`: the signature covers the raw bytes, so that no change of a byte may pass.
    """

    build: Callable[[], tuple[RawNotification, AccountKeys]]
    changes: int
    is_raw_signed: bool
