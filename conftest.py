"""What every test shares: flushing that gets past the append-only triggers, and marks that tell what a test needs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker

from orders.risk import marks, snapshot
from ordersite.queue import claims
from ordersite.server.client_address import networks
from ordersite.server.quick_cache import QuickRedis
from ordersite.server.request_rate import RequestRate
from ordersite.tests import person
from ordersite.tests.flushing import Flusher
from sandbox.tests.nobody import nobody
from scripts.network_guard import OWN_MACHINE

pytest_plugins = ["scripts.own_network", "sandbox.tests.box"]

# Django's flush command gives the signal itself; the name is not in its published types.
_flush_command: Any = flush
_flusher = Flusher(BaseDatabaseOperations.execute_sql_flush)


@pytest.fixture(scope="session", autouse=True)
def flush_gets_past_triggers() -> Iterator[None]:
    original, signal = BaseDatabaseOperations.execute_sql_flush, _flush_command.emit_post_migrate_signal

    def execute_sql_flush(self: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
        _flusher.flush(self, sql_list)

    BaseDatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign,assignment]
    _flush_command.emit_post_migrate_signal = _done_by_the_flusher
    yield
    BaseDatabaseOperations.execute_sql_flush = original  # type: ignore[method-assign]
    _flush_command.emit_post_migrate_signal = signal


def _done_by_the_flusher(*_args: Any, **_kwargs: Any) -> None:
    """It gives the signal itself, where something has to be made again."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        connection.close()  # it is older than the time limits that migrate wrote into the database
        _flusher.remember()


@pytest.fixture(scope="session", autouse=True)
def static_files_are_as_they_lie(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever `make run` built in this folder: tests look at the sources, and need no collectstatic."""
    with override_settings(STATIC_ROOT=tmp_path_factory.mktemp("static")):
        yield


@pytest.fixture(scope="session", autouse=True)
def people_take_the_second_step() -> Iterator[None]:
    """How people type a password and a code is tested in `ordersite.people`; everywhere else they are logged in."""
    Client.force_login = person.log_in  # type: ignore[method-assign,assignment]
    yield
    Client.force_login = person.with_password_only  # type: ignore[method-assign,assignment]


@pytest.fixture(autouse=True)
def own_places(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test leaves in the cache or among the anchors must not be seen by another, on no worker.

    The second step of a log-in is required, as in a real shop. Notifications for the shop go to a port where nobody
    listens, unless the test starts a web server of its own. The providers of tests are on this machine.
    """
    settings.OUTGOING_ALLOWED_NETWORKS = networks(OWN_MACHINE)
    settings.HISTORY_ANCHOR_DIR = str(tmp_path / "anchors")
    settings.PRIVATE_DIR = str(tmp_path / "private")
    settings.PUBLIC_BASE_URL = nobody()
    settings.STAFF_TOTP = "required"  # also on the embedded database, where the shop is a demonstration
    default = {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}
    if (
        settings.REDIS_URL
    ):  # a busy machine takes its 50 ms by itself; what happens after them has tests of its own
        default["OPTIONS"] = {**default["OPTIONS"], "socket_timeout": 5, "socket_connect_timeout": 5}
    settings.CACHES = {**settings.CACHES, "default": default}
    monkeypatch.setattr(claims, "_held", claims._Held())  # what one test could not give back is not another's
    monkeypatch.setattr(RequestRate, "_paused_until", 0.0)  # nor is the pause of one whose cache was away
    snapshot.forget()  # the strategies of another test
    marks.forget_quiet()


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Numbers of rows begin again after a flush: what an earlier test counted for number 1 is not ours.

    Nor is the pause of an earlier test that had stopped Redis; on a busy machine its 50 ms may pass by themselves. The
    prefix of `own_places` keeps the tests apart even then.
    """
    QuickRedis.forget_pause()
    with suppress(redis.RedisError):
        cache.clear()
