"""`/readyz`: one check at a time in a process, its result kept for two seconds, and nobody waits for a silent server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ordersite.health import probes
from ordersite.health.models import Heartbeat
from ordersite.health.probes import Readiness

OK = dict.fromkeys(probes.CHECKS, "ok")
CHECKING = dict.fromkeys(OK, "checking")


class Servers:
    """Servers that answer when they may; counts the checks and how many run at once."""

    def __init__(self) -> None:
        self.may_answer, self.checks, self.running, self.most = threading.Event(), 0, 0, 0
        self.may_answer.set()

    def check(self) -> Iterator[tuple[str, str]]:
        self.checks += 1
        self.running += 1
        self.most = max(self.most, self.running)
        self.may_answer.wait(10)
        self.running -= 1
        yield from OK.items()


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.may_answer.set()


def test_result_is_kept_for_two_seconds(servers: Servers) -> None:
    now = 100.0
    readiness = Readiness(servers.check, clock=lambda: now)
    assert [readiness.state() for _ in range(5)] == [OK] * 5
    assert servers.checks == 1
    now = 101.9
    readiness.state()
    assert servers.checks == 1
    now = 102.1
    assert readiness.state() == OK
    assert servers.checks == 2


def test_callers_of_one_moment_share_a_check(servers: Servers) -> None:
    readiness = Readiness(servers.check)
    servers.may_answer.clear()
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(readiness.state) for _ in range(20)]
        time.sleep(0.05)
        servers.may_answer.set()
        assert [call.result() for call in calls] == [OK] * 20
    assert (servers.checks, servers.most) == (1, 1)


@pytest.mark.serial
def test_silent_server_holds_one_thread(servers: Servers) -> None:
    readiness = Readiness(servers.check)
    servers.may_answer.clear()
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(readiness.state)
        time.sleep(0.05)
        started = time.monotonic()
        others = [pool.submit(readiness.state) for _ in range(19)]
        assert [call.result() for call in others] == [CHECKING] * 19
        assert time.monotonic() - started < 1
        started = time.monotonic()
        assert readiness.state() == CHECKING
        assert time.monotonic() - started < 0.1
        servers.may_answer.set()
        assert first.result() == OK
    assert (servers.checks, readiness.state()) == (1, OK)


@pytest.mark.django_db
def test_answer_names_what_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "readiness", Readiness({**OK, "database": "down"}.items))
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503, {"ready": False, "degraded": ["database"], **OK, "database": "down"},
    )  # fmt: skip
    monkeypatch.setattr(probes, "readiness", Readiness(OK.items))
    assert Client().get("/readyz").json() == {"ready": True, "degraded": [], **OK}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["broker", "cache", "tasks", "worker", "clock"])
def test_process_stays_in_service(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What orders and notifications can do without is named, and takes no process away."""
    monkeypatch.setattr(probes, "readiness", Readiness({**OK, name: "down"}.items))
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["degraded"], answer.json()[name]) == (200, [name], "down")


def test_database_is_known_while_the_broker_is_silent(servers: Servers) -> None:
    def check() -> Iterator[tuple[str, str]]:
        yield "database", "ok"
        yield from servers.check()

    readiness = Readiness(check)
    servers.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(readiness.state)
        time.sleep(0.05)
        assert readiness.state() == {**CHECKING, "database": "ok"}
        servers.may_answer.set()
        assert first.result() == OK


@pytest.mark.django_db
def test_standstill_is_named() -> None:
    Heartbeat.objects.create(
        task="payments.drain_notifications", at=timezone.now() - timedelta(minutes=5), process="x"
    )
    Heartbeat.objects.create(task="process.worker", at=timezone.now() - timedelta(minutes=2), process="x")
    states = dict(probes.check_all())
    assert (states["tasks"], states["worker"], states["clock"]) == ("down", "down", "ok")
