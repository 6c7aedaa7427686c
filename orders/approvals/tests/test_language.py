"""The language of a person's mail: what they chose last, before or after the log-in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from orders.models import StaffLanguage

pytestmark = pytest.mark.django_db


def chosen() -> dict[str, str]:
    return dict(StaffLanguage.objects.values_list("user__username", "language"))


def test_the_switch_is_remembered_and_the_last_one_counts() -> None:
    client = Client()
    client.force_login(User.objects.create_user("li"))

    client.post("/i18n/setlang/", {"language": "en"})
    first = chosen()
    client.post("/i18n/setlang/", {"language": "zh-hans"})

    assert (first, chosen()) == ({"li": "en"}, {"li": "zh-hans"})
    assert client.cookies["django_language"].value == "zh-hans"


def test_what_was_chosen_before_the_login_counts() -> None:
    User.objects.create_user("li", password="long enough")
    client = Client()
    client.cookies["django_language"] = "en"

    client.post("/accounts/login/", {"username": "li", "password": "long enough"})

    assert chosen() == {"li": "en"}


def test_a_visitor_and_an_unknown_language_leave_nothing() -> None:
    Client().post("/i18n/setlang/", {"language": "en"})
    client = Client()
    client.force_login(User.objects.create_user("li"))

    client.post("/i18n/setlang/", {"language": "xx"})

    assert chosen() == {}
