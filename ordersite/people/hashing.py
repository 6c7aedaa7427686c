"""At most two password hashes at a time in a process: guesses at the log-in leave the web threads to everybody else.

Every place that checks or sets a password comes through the hasher, whatever page or command it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MOST_AT_ONCE = 2
RETRY_AFTER_SECONDS = 1

_slots = threading.BoundedSemaphore(MOST_AT_ONCE)
logger = logging.getLogger(__name__)


class TooManyHashes(Exception):
    """The process computes as many password hashes as it may; this one was not begun."""


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's PBKDF2, with the same hashes as ever. Raises `TooManyHashes` at once instead of waiting."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        with slot():
            return super().encode(*args, **kwargs)


@contextmanager
def slot() -> Iterator[None]:
    """Keep one of the process's places for a hash. Raises `TooManyHashes` where none is free."""
    if not _slots.acquire(blocking=False):
        raise TooManyHashes
    try:
        yield
    finally:
        _slots.release()


def busy_page(request: HttpRequest) -> HttpResponse:
    """Answer 429 with a page that says to try again in a moment. The password was neither checked nor counted."""
    logger.warning("a password was not checked: too many at once", extra={"path": request.path_info})
    page = render(request, "people/busy.html", status=429)
    page["Retry-After"] = str(RETRY_AFTER_SECONDS)
    page["Cache-Control"] = "private, no-store"
    return page
