"""A process that dies: before its n-th statement, as if the power had gone. What was not committed is gone with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


class Died(BaseException):
    """Not an `Exception`: nothing in the product may catch it, as nothing catches a killed process."""


@contextmanager
def dying_at(statement: int | None) -> Iterator[None]:
    """Die before this statement (1 is the first); None: live."""
    if statement is None:
        yield
        return
    left = statement

    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Died
        return run(sql, params, many, context)

    try:
        with connection.execute_wrapper(execute):
            yield
    except Died:
        assert not connection.in_atomic_block
