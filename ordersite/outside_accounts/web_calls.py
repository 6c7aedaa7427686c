"""Bounds the calls to the outside that a web process makes, so that slow providers never hold all of its threads.

Calls that workers can make as well (a page that queries) get a quarter of WEB_THREADS, two for each account, and never
wait. All calls together get half of the threads; one more quarter may wait a moment for one of these.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.outside_accounts.model import OutsideAccount

QUERIES_OF_AN_ACCOUNT = 2
WAIT_SECONDS = 1.0


class WebCalls:
    """The slots of one process. Safe for threads."""

    def __init__(self, threads: int) -> None:
        self._most, self._most_queries = max(threads // 2, 1), max(threads // 4, 1)
        self._most_waiting = threads // 4
        self._changed = threading.Condition()
        self._calls, self._waiting = 0, 0
        self._queries: Counter[tuple[str, int]] = Counter()

    @contextlib.contextmanager
    def query(self, account: OutsideAccount) -> Iterator[bool]:
        """Yields whether there is a slot for a call that a worker could make instead."""
        key = (account._meta.label, account.pk)
        with self._changed:
            is_free = (
                self._calls < self._most
                and self._queries.total() < self._most_queries
                and self._queries[key] < QUERIES_OF_AN_ACCOUNT
            )
            self._calls += is_free
            self._queries[key] += is_free
        try:
            yield is_free
        finally:
            with self._changed:
                self._calls -= is_free
                self._queries[key] -= is_free
                self._queries += Counter()  # drops what is 0
                self._changed.notify()

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Take a slot, or wait a moment for one. Raises `OutsideError` provider_busy; nothing was sent then."""
        with self._changed:
            self._enter()
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify()

    def _enter(self) -> None:
        if self._calls >= self._most and self._waiting < self._most_waiting:
            self._waiting += 1
            self._changed.wait_for(lambda: self._calls < self._most, WAIT_SECONDS)
            self._waiting -= 1
        if self._calls >= self._most:
            raise OutsideError(
                "provider_busy", _("Too many calls are waiting for an answer already."), retryable=True
            )
        self._calls += 1


@cache
def web_calls() -> WebCalls:
    """The slots of this process."""
    return WebCalls(settings.WEB_THREADS)


class WebGateway(Gateway):
    """A gateway for web threads: each call takes a slot."""

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Like `Gateway.post`; raises provider_busy where there is no slot."""
        with web_calls().call():
            return super().post(url, content=content, headers=headers)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Like `Gateway.get`; raises provider_busy where there is no slot."""
        with web_calls().call():
            return super().get(url, headers=headers)
