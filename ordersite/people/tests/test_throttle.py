"""Guessed passwords are slowed down before anything is hashed, and nobody is locked out on sale day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from ordersite.people import hashing, throttle
from ordersite.people.models import KnownAddress, LoginFailure

pytestmark = pytest.mark.django_db
RIGHT = "right password 1"
HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def agent() -> User:
    return User.objects.create_user("agent", password=RIGHT, is_staff=True)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that were hashed."""
    seen: list[str] = []
    plain = MD5PasswordHasher.encode

    def encode(self: MD5PasswordHasher, password: str, *args: Any, **kwargs: Any) -> str:
        seen.append(password)
        return plain(self, password, *args, **kwargs)

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
    return seen


def try_it(name: str, password: str, address: str = HERE, path: str = "/accounts/login/") -> Any:
    return Client(REMOTE_ADDR=address).post(path, {"username": name, "password": password})


def statuses(count: int, name: str = "agent", address: str = HERE, **where: str) -> list[int]:
    return [try_it(name, f"wrong {number}", address, **where).status_code for number in range(count)]


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_sixth_wrong_password_is_not_looked_at(agent: User, hashes: list[str], path: str) -> None:
    assert statuses(7, path=path) == [200] * 5 + [429] * 2
    before = len(hashes)

    answer = try_it("agent", RIGHT, path=path)

    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert "登录失败次数过多，请 1 分钟后重试。" in answer.content.decode()
    assert len(hashes) == before
    assert LoginFailure.objects.get().failures == 5


def test_another_spelling_is_the_same_name(agent: User) -> None:
    names = ["agent", "AGENT", " agent ", "ａｇｅｎｔ", "Agent", "aGent"]
    assert [try_it(name, "wrong").status_code for name in names] == [200] * 5 + [429]


def test_pauses_grow_to_fifteen_minutes(agent: User) -> None:
    with time_machine.travel(datetime.fromisoformat("2026-11-28T12:00:00+08:00"), tick=False) as clock:
        assert statuses(6)[-1] == 429
        for minutes in (1, 2, 4, 8, 15, 15):
            clock.shift(timedelta(minutes=minutes, seconds=-1))
            assert statuses(1) == [429]
            clock.shift(timedelta(seconds=1))
            assert statuses(2) == [200, 429]


def test_failures_of_long_ago_do_not_count(agent: User) -> None:
    with time_machine.travel(datetime.fromisoformat("2026-11-28T12:00:00+08:00"), tick=False) as clock:
        statuses(4)
        clock.shift(timedelta(minutes=16))
        assert statuses(6) == [200] * 5 + [429]


def test_success_forgets_the_failures(agent: User) -> None:
    statuses(4)
    assert try_it("agent", RIGHT).status_code == 302
    assert statuses(6) == [200] * 5 + [429]


def test_address_has_thirty_for_all_names(agent: User) -> None:
    assert [try_it(f"name {number}", "wrong").status_code for number in range(31)] == [200] * 30 + [429]
    assert try_it("agent", RIGHT).status_code == 429
    assert try_it("agent", RIGHT, THERE).status_code == 302


def test_who_logged_in_there_before_is_not_shut_out(agent: User) -> None:
    """A colleague's script, or guessers everywhere: the agent's own place stays open."""
    assert try_it("agent", RIGHT).status_code == 302
    for number in range(31):
        try_it(f"name {number}", "wrong")
    for number in range(6):
        try_it("agent", "wrong", f"198.51.100.{number}")
    assert try_it("agent", RIGHT).status_code == 302


def test_name_guessed_everywhere_is_slowed(agent: User) -> None:
    with time_machine.travel(datetime.fromisoformat("2026-11-28T12:00:00+08:00"), tick=False) as clock:
        for number in range(5):
            assert try_it("agent", "wrong", f"198.51.100.{number}").status_code == 200
        answer = try_it("agent", RIGHT)
        assert (answer.status_code, answer["Retry-After"]) == (429, "2")
        assert "当前登录人数较多" in answer.content.decode()
        clock.shift(timedelta(seconds=2))
        assert try_it("agent", RIGHT).status_code == 302


def test_ipv6_counts_by_its_network(agent: User) -> None:
    found = [try_it("agent", "wrong", f"2001:db8:1:2::{number:x}").status_code for number in range(6)]
    assert found == [200] * 5 + [429]
    assert LoginFailure.objects.get().address == "2001:db8:1:2::/64"


def test_forged_header_is_no_other_address(agent: User) -> None:
    client = Client(REMOTE_ADDR=HERE)
    for number in range(6):
        form = {"username": "agent", "password": "wrong"}
        answer = client.post("/accounts/login/", form, headers={"X-Forwarded-For": f"10.0.0.{number}"})
    assert answer.status_code == 429


def test_old_password_cannot_be_guessed_either(agent: User) -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.force_login(agent)
    form = {"old_password": "wrong", "new_password1": "a new word 77", "new_password2": "a new word 77"}
    found = [client.post("/accounts/password/", form).status_code for _time in range(6)]
    assert found == [200] * 5 + [429]


def test_busy_moment_is_no_failure(agent: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["ordersite.people.hashing.BoundedPBKDF2PasswordHasher"]
    agent.set_password(RIGHT)
    agent.save()
    with hashing.slot(), hashing.slot():
        assert try_it("agent", RIGHT).status_code == 429
    assert [row.failures for row in LoginFailure.objects.all()] == [0]
    assert try_it("agent", RIGHT).status_code == 302


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_burst_finds_the_count(agent: User, hashes: list[str]) -> None:
    """All at the same moment, from several threads: no more than five are looked at."""
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda number: try_it("agent", f"burst {number}").status_code, range(40)))
    assert set(found) <= {200, 429}
    assert len([one for one in hashes if one.startswith("burst")]) <= 5


def test_name_of_nobody_is_not_kept(agent: User) -> None:
    try_it("my secret password", "x")
    row = LoginFailure.objects.get()
    assert (row.user, "secret" in f"{row.digest}{row}") == (None, False)


def test_operator_lets_them_try_again(agent: User) -> None:
    statuses(6)
    operator = User.objects.create_user("ops", is_staff=True)
    operator.groups.add(Group.objects.get(name="operations"))
    client = Client()
    client.force_login(operator)
    assert "需等待" in client.get("/admin/people/loginfailure/").content.decode()
    row = LoginFailure.objects.get()
    client.post(f"/admin/people/loginfailure/{row.pk}/do/release/")
    assert try_it("agent", RIGHT).status_code == 302


def test_command_lets_them_try_again(agent: User, capsys: pytest.CaptureFixture[str]) -> None:
    statuses(6)
    call_command("release_login", "AGENT")
    assert "1" in capsys.readouterr().out
    assert try_it("agent", RIGHT).status_code == 302
    with pytest.raises(CommandError, match="no failed log-ins"):
        call_command("release_login", "agent")


def test_old_rows_go(agent: User) -> None:
    try_it("agent", "wrong")
    try_it("agent", RIGHT, THERE)
    LoginFailure.objects.update(last_at=timezone.now() - timedelta(hours=3))
    KnownAddress.objects.update(last_at=timezone.now() - timedelta(days=181))
    throttle.forget_old()
    assert (LoginFailure.objects.count(), KnownAddress.objects.count()) == (0, 0)
