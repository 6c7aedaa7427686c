"""At most two password hashes at a time; further ones are answered 429 at once, before any hashing."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.test import Client

from ordersite.people import hashing

PASSWORD = "a long sentence 42"


@pytest.fixture(autouse=True)
def real_hashes(quick_hashes: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["ordersite.people.hashing.BoundedPBKDF2PasswordHasher"]


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("somebody", password=PASSWORD, is_staff=True)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
@pytest.mark.parametrize("name", ["somebody", "nobody"])
def test_the_third_at_once_is_429(person: User, path: str, name: str, language: str) -> None:
    client = Client(headers={"accept-language": language})
    client.cookies[configured.LANGUAGE_COOKIE_NAME] = language
    form = {"username": name, "password": PASSWORD}

    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(hashing.slot())
        answer = client.post(path, form)

    said = {"en": "Too many log-ins at once", "zh-hans": "同时登录的人太多"}[language]
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert "no-store" in answer["Cache-Control"]
    assert said in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_one_place_left_is_enough(person: User) -> None:
    client = Client()
    with hashing.slot():
        answer = client.post("/accounts/login/", {"username": "somebody", "password": PASSWORD})
    assert (answer.status_code, client.session["_auth_user_id"]) == (302, str(person.pk))


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/password/", {"old_password": PASSWORD, "new_password1": "x", "new_password2": "x"}),
        ("/accounts/password-again/", {"password_again": PASSWORD}),
        ("/accounts/security/set-up/", {"password_again": PASSWORD}),
    ],
)
def test_other_pages_that_take_a_password(person: User, path: str, form: dict[str, str]) -> None:
    client = Client()
    client.force_login(person)
    session = client.session
    session["password_at"] = 0
    session.save()
    before = User.objects.get(pk=person.pk).password

    with hashing.slot(), hashing.slot():
        answer = client.post(path, form)

    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert User.objects.get(pk=person.pk).password == before
    assert client.session["password_at"] == 0


def test_never_more_than_two_run() -> None:
    encoded, start = make_password(PASSWORD), threading.Barrier(8)
    results: list[bool | None] = []

    def guess() -> None:
        start.wait()
        try:
            results.append(check_password(PASSWORD, encoded))
        except hashing.TooManyHashes:
            results.append(None)

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # those that ran are right, the others were refused; afterwards the places are free again
    assert sorted(map(str, results)) == ["None"] * 6 + ["True"] * 2
    assert check_password(PASSWORD, encoded)


def test_hashes_of_before_stay_good(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    encoded = make_password(PASSWORD)
    settings.PASSWORD_HASHERS = ["ordersite.people.hashing.BoundedPBKDF2PasswordHasher"]
    assert check_password(PASSWORD, encoded)
    assert not check_password(PASSWORD + "x", encoded)


def test_nginx_limits_both_log_ins() -> None:
    text = Path(configured.BASE_DIR, "deploy", "nginx.conf").read_text()
    assert "limit_req_zone $binary_remote_addr zone=logins:10m rate=5r/s;" in text
    [(pattern, body)] = [
        found
        for found in re.findall(r"location ~ ([^{]+) {(.*?)\n    }", text, re.DOTALL)
        if "login" in found[0]
    ]
    assert [bool(re.search(pattern, path)) for path in ("/accounts/login/", "/admin/login/", "/admin/")] == [
        True,
        True,
        False,
    ]
    assert "limit_req zone=logins" in body
    assert "limit_req_status 429;" in body
