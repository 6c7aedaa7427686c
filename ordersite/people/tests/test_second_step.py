"""The second step of a log-in, as people take it: password, code, and nothing else before it."""

from __future__ import annotations

import re
import time
from base64 import b32decode
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp

from orders.clients import add_client
from orders.models import StaffMail
from orders.tests.builders import build_merchant
from ordersite.people import second_step
from ordersite.people.models import Authenticator, RecoveryCode, open_key
from ordersite.queue.models import AuditEntry
from ordersite.tests.person import build_authenticator

pytestmark = pytest.mark.django_db
PASSWORD = "a long passphrase 7"
KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODE_PAGE, SET_UP_PAGE = "/accounts/security/code/", "/accounts/security/set-up/"


def build_person(role: str, **values: Any) -> User:
    user = User.objects.create_user(role, f"{role}@shop.example", PASSWORD, is_staff=True, **values)
    user.groups.add(Group.objects.get(name=role))
    return user


def code_of(key: str, *, steps: int = 0) -> str:
    """Return the app's present code, or that of some steps of 30 s later."""
    return f"{totp(b32decode(key), drift=steps):06d}"


def type_password(client: Client, username: str, address: str = "/accounts/login/") -> Any:
    return client.post(address, {"username": username, "password": PASSWORD})


def audited() -> list[tuple[str | None, str]]:
    return list(
        AuditEntry.objects.filter(table_name="people_authenticator").values_list("new_value", "database_user")
    )


def mails() -> list[str]:
    return list(
        StaffMail.objects.filter(event="person.two_step_login")
        .order_by("id")
        .values_list("address", flat=True)
    )


@pytest.mark.parametrize("login", ["/accounts/login/", "/admin/login/"])
def test_first_log_in_sets_it_up(client: Client, login: str) -> None:
    user = build_person("finance")
    type_password(client, "finance", login)

    assert client.get("/admin/").headers["Location"] == f"{SET_UP_PAGE}?next=%2Fadmin%2F"
    page = client.get(SET_UP_PAGE, {"next": "/admin/"}).content.decode()
    assert "<svg" in page
    [shown] = re.findall(r'<code class="secret-key">([A-Z2-7 ]+)</code>', page)
    key = shown.replace(" ", "")
    wrong = client.post(SET_UP_PAGE, {"code": code_of(key, steps=5)})
    assert (wrong.status_code, Authenticator.objects.count()) == (200, 0)

    done = client.post(SET_UP_PAGE, {"code": code_of(key), "next": "/admin/"}).content.decode()

    codes = re.findall(r"<li><code>([A-Z2-7-]{19})</code></li>", done)
    assert len(set(codes)) == 10
    assert client.get("/admin/").status_code == 200
    device = Authenticator.objects.get(user=user)
    assert key not in device.sealed_key
    assert open_key(device.sealed_key, user_id=user.pk) == key
    assert not RecoveryCode.objects.filter(digest__in=codes).exists()
    assert audited() == [("set up", "finance")]
    assert mails() == ["finance@shop.example"]


def test_each_log_in_takes_a_code(client: Client) -> None:
    build_authenticator(build_person("finance"), KEY)
    for _log_in in range(2):
        type_password(client, "finance")
        assert client.get("/admin/").headers["Location"].startswith(CODE_PAGE)

    answer = client.post(CODE_PAGE, {"code": code_of(KEY), "next": "/admin/orders/order/"})

    assert answer.headers["Location"] == "/admin/orders/order/"
    assert client.get("/admin/").status_code == 200


def test_next_stays_on_this_site(client: Client) -> None:
    build_authenticator(build_person("finance"), KEY)
    type_password(client, "finance")
    answer = client.post(CODE_PAGE, {"code": code_of(KEY), "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_a_code_is_taken_once(client: Client) -> None:
    build_authenticator(build_person("finance"), KEY)
    type_password(client, "finance")
    code = code_of(KEY)
    client.post(CODE_PAGE, {"code": code})

    second = Client()
    type_password(second, "finance")
    replayed = second.post(CODE_PAGE, {"code": code})

    assert replayed.status_code == 200
    assert second.get("/admin/").status_code == 302


def test_wrong_codes_have_to_wait(client: Client) -> None:
    device = build_authenticator(build_person("finance"), KEY)
    type_password(client, "finance")
    Authenticator.objects.update(throttling_failure_count=4)
    assert client.post(CODE_PAGE, {"code": "12345x"}).status_code == 200

    right = client.post(CODE_PAGE, {"code": code_of(KEY)})

    assert right.status_code == 429
    device.refresh_from_db()
    assert (device.throttling_failure_count, device.last_step) == (5, -1)
    assert client.get("/admin/").status_code == 302


def test_a_right_code_waits_too() -> None:
    """Guesses that are sent side by side have all passed the page's own look at the wait."""
    user = build_person("finance")
    device = build_authenticator(user, KEY)
    assert second_step.check(user, "000000x") is None
    assert second_step.check(user, code_of(KEY)) is None

    Authenticator.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(seconds=1))

    assert second_step.check(user, code_of(KEY)) == device


def test_the_wait_stays_below_nine_minutes() -> None:
    device = build_authenticator(build_person("finance"), KEY)
    for _failure in range(30):
        device.throttling_failure_timestamp = None
        assert not device.verify_token("000000x")
    _allowed, why = device.verify_is_allowed()
    assert why["locked_until"].timestamp() - time.time() < 540


def test_a_recovery_code_works_once(client: Client) -> None:
    user = build_person("finance")
    type_password(client, "finance")
    client.get(SET_UP_PAGE)
    build_authenticator(user, KEY)
    client.post(CODE_PAGE, {"code": code_of(KEY)})
    page = client.post("/accounts/security/recovery-codes/").content.decode()
    [first, *_rest] = re.findall(r"<li><code>([A-Z2-7-]{19})</code></li>", page)

    statuses = []
    for _log_in in range(2):
        type_password(client, "finance")
        client.post(CODE_PAGE, {"code": first.lower()})
        statuses.append(client.get("/admin/").status_code)

    assert statuses == [200, 302]
    assert audited() == [("recovery codes renewed", "finance"), ("recovery code used", "finance")]


@pytest.mark.parametrize("role", ["agent", "supervisor", "finance", "operations", "auditor"])
def test_roles_with_money_need_it(client: Client, role: str) -> None:
    build_person(role)
    type_password(client, role)
    assert client.get("/").headers["Location"].startswith(SET_UP_PAGE)


def test_superusers_need_it(client: Client) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    type_password(client, "root")
    assert client.get("/admin/auth/user/").headers["Location"].startswith(SET_UP_PAGE)


def test_others_may_leave_it(client: Client) -> None:
    build_person("viewer")
    type_password(client, "viewer")
    assert client.get("/admin/").status_code == 200
    assert client.get("/accounts/security/").status_code == 200


def test_offered_is_asked_for_once_set_up(client: Client, settings: Any) -> None:
    settings.STAFF_TOTP = "offered"
    user = build_person("finance")
    type_password(client, "finance")
    assert client.get("/admin/").status_code == 200

    build_authenticator(user, KEY)

    assert client.get("/admin/").headers["Location"].startswith(CODE_PAGE)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/admin/", "/admin/no-such-page/", "/accounts/password/", "/accounts/security/", "/shop/orders/",
        "/admin/payments/payment/", "/api/docs/", "/no-such-page/", "/checkout/", "/accounts/security/switch-off/",
        "/accounts/security/recovery-codes/", "/accounts/security/other-sessions/", "/admin/jsi18n/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_opens_before_it(client: Client, path: str, method: str) -> None:
    """With no authenticator the setting up alone is open, with one the code alone."""
    user = build_person("finance")
    type_password(client, "finance")

    assert getattr(client, method)(path).headers["Location"].startswith(SET_UP_PAGE)

    build_authenticator(user, KEY)
    for closed in (path, SET_UP_PAGE):
        assert getattr(client, method)(closed).headers["Location"].startswith(CODE_PAGE)
    assert Authenticator.objects.count() == 1


def test_api_tokens_are_not_affected(client: Client) -> None:
    _row, token = add_client(build_merchant(), name="ERP", scopes=["orders:read"])
    build_person("finance")
    type_password(client, "finance")
    answer = client.get("/api/v1/orders/NO-SUCH-ORDER/", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 404


def test_another_phone_ends_the_first(client: Client) -> None:
    user = build_person("finance")
    client.force_login(user)
    other = Client()
    other.force_login(user)
    page = client.get(SET_UP_PAGE).content.decode()
    [shown] = re.findall(r'<code class="secret-key">([A-Z2-7 ]+)</code>', page)

    client.post(SET_UP_PAGE, {"code": code_of(shown.replace(" ", ""))})

    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").headers["Location"].startswith(CODE_PAGE)
    assert audited() == [("replaced", "finance")]


def test_who_needs_it_cannot_switch_it_off(client: Client, settings: Any) -> None:
    user = build_person("finance")
    client.force_login(user)
    assert client.post("/accounts/security/switch-off/").status_code == 403
    assert Authenticator.objects.count() == 1

    settings.STAFF_TOTP = "offered"

    assert client.post("/accounts/security/switch-off/").status_code == 302
    assert (Authenticator.objects.count(), client.get("/admin/").status_code) == (0, 200)
    assert audited() == [("taken away", "finance")]


def test_the_command_takes_it_away(client: Client, capsys: Any) -> None:
    user = build_person("finance")
    client.force_login(user)

    call_command("reset_totp", "finance")

    assert "finance" in capsys.readouterr().out
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")
    [(what, actor)] = audited()
    assert (what, actor.partition(":")[0], mails()) == ("taken away", "command", ["finance@shop.example"])
    type_password(client, "finance")
    assert client.get("/admin/").headers["Location"].startswith(SET_UP_PAGE)


@pytest.mark.parametrize("username", ["nobody", "finance"])
def test_the_command_says_what_is_not_there(username: str) -> None:
    build_person("finance")
    with pytest.raises(CommandError, match=username):
        call_command("reset_totp", username)
    assert audited() == []


def test_a_key_opens_for_its_person_alone(client: Client, caplog: Any) -> None:
    theirs = build_authenticator(build_person("supervisor"), KEY)
    build_authenticator(build_person("finance"))
    Authenticator.objects.filter(user__username="finance").update(sealed_key=theirs.sealed_key)
    type_password(client, "finance")

    client.post(CODE_PAGE, {"code": code_of(KEY)})

    assert client.get("/admin/").status_code == 302
    assert "the key of an authenticator app cannot be opened" in caplog.messages
