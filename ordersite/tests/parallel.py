"""Runs functions in threads with connections of their own, and counts the deadlocks of the database."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connection


def in_thread(run: Callable[[], object], problems: list[BaseException]) -> threading.Thread:
    """Start a thread; what it raises is added to `problems`."""

    def call() -> None:
        try:
            run()
        except BaseException as error:  # handed to the test
            problems.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def deadlocks_of_the_database() -> int:
    """Also those after which a function tried again. Sessions report theirs at their end at the latest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
