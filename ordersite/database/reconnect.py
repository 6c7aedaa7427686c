"""Replaces kept connections that died: the first statement of a request finds out, without a check before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")


def first_of_request(work: Callable[[], T]) -> T:
    """Run the idempotent `work` as the first use of the connection in a request.

    It is itself the check that a kept connection lives: when that turns out to be dead, `work` is run again on a new
    one. Django's own check beforehand is a round trip for each request. Elsewhere in a request this only runs `work`.
    """
    # Django's type stubs do not know of its check.
    current: Any = connection
    if current.in_atomic_block or current.health_check_done:
        return work()
    current.health_check_done = True
    try:
        return work()
    except (OperationalError, InterfaceError):
        if current.connection is None or current.is_usable():
            raise
        current.close()
    return work()
