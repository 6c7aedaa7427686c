"""Sessions end in time, and the password is given again before keys, people and approvals."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client

from orders.models import ApiClient, MerchantMember
from orders.tests.builders import build_merchant
from ordersite.lib.files.uploads import takes_files
from ordersite.people import password_again, sessions
from ordersite.people.tests.test_second_step import PASSWORD, build_person
from ordersite.tests.access import routes

pytestmark = pytest.mark.django_db
AGAIN = "/accounts/password-again/"
HOUR = 3600


def age(client: Client, name: str, seconds: int) -> None:
    """Let a mark of the session be older by this."""
    session = client.session
    session[name] -= seconds
    session.save()


def build_member() -> User:
    user = User.objects.create_user("member", password=PASSWORD)
    MerchantMember.objects.create(merchant=build_merchant(), user=user)
    return user


@pytest.mark.parametrize(
    ("mark", "seconds", "status"),
    [
        (sessions.SEEN, HOUR - 5, 200), (sessions.SEEN, HOUR, 302),
        (sessions.ENTERED, 12 * HOUR - 5, 200), (sessions.ENTERED, 12 * HOUR, 302),
        (sessions.SEEN, -5 * HOUR, 302), (sessions.ENTERED, -5 * HOUR, 302),
    ],
)  # fmt: skip
@pytest.mark.parametrize("page", ["/admin/", "/shop/orders/"])
def test_a_session_ends(client: Client, page: str, mark: str, seconds: int, status: int) -> None:
    client.force_login(build_person("finance") if page == "/admin/" else build_member())
    age(client, mark, seconds)

    assert client.get(page).status_code == status
    assert client.get(page).status_code == status


def test_use_prolongs_the_idle_time(client: Client) -> None:
    client.force_login(build_person("finance"))
    for _page in range(3):
        age(client, sessions.SEEN, HOUR - 100)
        assert client.get("/admin/").status_code == 200


def test_a_script_prolongs_nothing(client: Client) -> None:
    client.force_login(build_person("finance"))
    age(client, sessions.SEEN, HOUR - 100)
    client.get("/admin/", headers={"sec-fetch-mode": "cors"})
    age(client, sessions.SEEN, 100)
    assert client.get("/admin/").status_code == 302


def test_a_session_without_marks_is_over(client: Client) -> None:
    client.force_login(build_person("finance"))
    session = client.session
    del session[sessions.ENTERED]
    session.save()
    assert client.get("/admin/").status_code == 302


def test_other_sessions_end(client: Client) -> None:
    user = build_person("finance")
    other, stranger = Client(), Client()
    for one, person in ((client, user), (other, user), (stranger, build_person("viewer"))):
        one.force_login(person)

    client.post("/accounts/security/other-sessions/")

    assert [one.get("/admin/").status_code for one in (client, other, stranger)] == [200, 302, 200]
    assert Session.objects.count() == 2


PROTECTED = [
    "/admin/payments/paymentaccount/add/", "/admin/payments/paymentaccount/1/do/keys/",
    "/admin/logistics/carrieraccount/add/", "/admin/logistics/carrieraccount/1/do/keys/",
    "/admin/orders/apiclient/add/", "/admin/auth/user/add/", "/admin/auth/user/1/change/",
    "/admin/auth/user/1/password/", "/admin/auth/group/add/", "/admin/auth/group/1/change/",
    "/admin/orders/merchantmember/add/", "/admin/payments/refundrequest/1/do/approve/",
    "/admin/payments/settlementrequest/1/do/approve/", "/admin/payments/revivalrequest/1/do/approve/",
    "/admin/orders/changerequest/1/do/approve/", "/admin/payments/statement/1/do/settle/",
    "/accounts/security/set-up/", "/accounts/security/recovery-codes/", "/accounts/security/switch-off/",
]  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
def test_password_again_before_these(client: Client, path: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    age(client, sessions.PASSWORD, 15 * 60)

    assert client.get(path).headers["Location"].startswith(f"{AGAIN}?next=%2F")
    assert b'name="password_again"' in client.post(path, {"x": "y"}).content


def test_every_approval_is_protected() -> None:
    found = [
        route.path({})
        for route in routes()
        if any(word in route.text for word in ("/do/approve/", "/do/keys/", "/do/rotate/"))
    ]
    assert len(found) >= 6
    assert [path for path in found if not password_again.is_asked_before(path)] == []


def test_password_leads_back(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    age(client, sessions.PASSWORD, 15 * 60)
    page = client.get("/admin/auth/user/add/").headers["Location"]

    wrong = client.post(page, {"password_again": "wrong"})
    assert client.get("/admin/auth/user/add/").status_code == 302
    right = client.post(page, {"password_again": PASSWORD})

    assert (wrong.status_code, right.headers["Location"]) == (200, "/admin/auth/user/add/")
    assert client.get("/admin/auth/user/add/").status_code == 200


def test_a_sent_form_is_kept(client: Client) -> None:
    shop = build_merchant()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    age(client, sessions.PASSWORD, 15 * 60)
    typed = {"merchant": shop.pk, "name": 'ERP "2"', "scopes": ["orders:read", "orders:write"]}

    page = client.post("/admin/orders/apiclient/add/", typed)

    assert ApiClient.objects.count() == 0
    assert page.content.decode().count('type="hidden" name="scopes"') == 2
    assert 'value="ERP &quot;2&quot;"' in page.content.decode()

    client.post("/admin/orders/apiclient/add/", {**typed, "password_again": "wrong"})
    assert ApiClient.objects.count() == 0
    client.post("/admin/orders/apiclient/add/", {**typed, "password_again": PASSWORD})

    assert [(row.name, row.scopes) for row in ApiClient.objects.all()] == [
        ('ERP "2"', ["orders:read", "orders:write"])
    ]


def test_no_interrupted_form_takes_files() -> None:
    """Hidden fields carry no files."""
    assert [path for path in PROTECTED if takes_files(path)] == []
    assert not password_again.is_asked_before("/admin/payments/statement/add/")
    assert not password_again.is_asked_before("/admin/payments/settlementrequest/add/")


def test_five_wrong_passwords_end_the_session(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    age(client, sessions.PASSWORD, 15 * 60)
    for _guess in range(5):
        answer = client.post(AGAIN, {"password_again": "wrong"})
    assert answer.headers["Location"] == "/accounts/login/"
    assert client.get("/admin/").status_code == 302


def test_reading_needs_no_password(client: Client) -> None:
    user = build_person("supervisor")
    client.force_login(user)
    age(client, sessions.PASSWORD, 15 * 60)
    for page in (
        "/admin/",
        "/admin/payments/refundrequest/",
        "/admin/payments/paymentaccount/",
        "/accounts/security/",
    ):
        assert client.get(page).status_code == 200
    assert Group.objects.filter(user=user).exists()
