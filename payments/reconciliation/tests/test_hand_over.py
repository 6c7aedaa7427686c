"""A file that one person uploaded finds the second person: on the home page, by mail, and on its own page."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.utils import timezone

from orders.approvals.mail import send_staff_mail
from orders.models import Merchant, Order, StaffMail
from orders.tests.builders import build_order
from ordersite import relay
from payments.models import Statement
from payments.reconciliation import settle
from payments.reconciliation.approval import Takes, takes_of
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import account_at, attempt, paid, row_of, take

pytestmark = pytest.mark.django_db


def member(name: str, role: str = "finance") -> User:
    user = User.objects.create_user(name, f"{name}@shop.test", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def browser_of(user: User, language: str = "zh-hans") -> Client:
    client = Client()
    client.cookies["django_language"] = language
    client.force_login(user)
    return client


def uploaded(user: User | None, *, refunded: str = "") -> Statement:
    """A bill with one payment of ¥1,234.50 that is stuck here, and perhaps a refund of another."""
    account = account_at("alipay")
    stuck = attempt(account, order=build_order(merchant=account.merchant, total="1234.50"))
    rows = [row_of(stuck), Row("UNKNOWN000000001", "T1", "3.00")]
    if refunded:
        other = paid(account)
        rows += [row_of(other), row_of(other, amount=refunded, kind="refund", request="R1")]
    return take(account, bills.alipay_zip(rows), user=user)


def stuck_order() -> Order:
    """The order of `uploaded`: its amount is its own."""
    return next(order for order in Order.objects.all() if order.total_amount == Decimal("1234.50"))


def tiles_of(user: User) -> list[tuple[str, str, str]]:
    page = browser_of(user).get("/admin/")
    return [(str(tile.label), tile.count, tile.people) for tile in page.context["queues"]]


def address_of(statement: Statement, tail: str = "change/") -> str:
    return f"/admin/payments/statement/{statement.pk}/{tail}"


def test_it_waits_on_the_home_page_of_who_may() -> None:
    people = {
        name: member(name, name.rstrip("2")) for name in ("finance", "finance2", "supervisor", "operations")
    }
    uploaded(people["finance"])

    tiles = {name: tiles_of(user) for name, user in people.items()}

    assert tiles == {
        "finance": [("我上传的流水，待同事确认入账", "1", "finance2")],
        "finance2": [("待确认入账", "1", "")],
        "supervisor": [],
        "operations": [],
    }


def test_operations_see_for_whom_theirs_waits() -> None:
    operations, _one, _two = member("operations", "operations"), member("finance"), member("finance2")
    uploaded(operations)

    assert tiles_of(operations) == [("我上传的流水，待同事确认入账", "1", "finance、finance2")]


@pytest.mark.parametrize(("state", "seen"), [("for_me", [False, True]), ("mine", [True, False])])
def test_the_tile_leads_to_its_rows(state: str, seen: list[bool]) -> None:
    first, second = member("finance"), member("finance2")
    statement = uploaded(first)

    pages = [browser_of(one).get(f"/admin/payments/statement/?state={state}") for one in (first, second)]

    assert [statement in page.context["cl"].queryset for page in pages] == seen


def test_who_may_confirm_gets_a_mail() -> None:
    first = member("finance")
    for name, role in (("finance2", "finance"), ("boss", "supervisor"), ("clerk", "agent")):
        member(name, role)
    statement = uploaded(first)

    relay.run_relay()
    send_staff_mail()

    [message] = mail.outbox
    assert message.to == ["finance2@shop.test"]
    assert message.subject == f"待复核：流水文件，#{statement.pk} bill · 1 笔付款 ¥1,234.50"
    assert address_of(statement) in str(message.body)


def test_fetched_bill_is_mailed_to_all_who_may() -> None:
    member("finance"), member("finance2")
    account = account_at("alipay")
    take(
        account,
        bills.alipay_zip([row_of(attempt(account))]),
        source=Statement.Source.FETCH,
        day=timezone.localdate(),
    )

    relay.run_relay()

    assert sorted(StaffMail.objects.values_list("address", flat=True)) == [
        "finance2@shop.test",
        "finance@shop.test",
    ]


def test_file_without_anything_to_settle_bothers_nobody() -> None:
    first, second = member("finance"), member("finance2")
    account = account_at("alipay")
    take(account, bills.alipay_zip([row_of(paid(account))]), user=first)

    relay.run_relay()

    assert (StaffMail.objects.count(), tiles_of(first), tiles_of(second)) == (0, [], [])


def test_confirmed_statement_waits_for_nobody() -> None:
    first, second = member("finance"), member("finance2")
    statement = uploaded(first)
    relay.run_relay()

    browser_of(second).post(address_of(statement, "do/settle/"))
    under_way = [tiles_of(first), tiles_of(second)]
    settle.settle_statements()

    assert under_way == [[], []]
    assert [tiles_of(first), tiles_of(second)] == [[], []]
    assert (send_staff_mail(), mail.outbox) == (0, [])
    assert stuck_order().status == "paid"


def test_uploader_is_offered_no_button_that_cannot_work() -> None:
    first, second, looker = member("finance"), member("finance2"), member("viewer", "viewer")
    statement = uploaded(first)

    pages = [browser_of(one).get(address_of(statement)).content.decode() for one in (first, second, looker)]

    assert [address_of(statement, "do/settle/") in page for page in pages] == [False, True, False]
    assert ["这份文件由您上传，需要同事确认入账：finance2。" in page for page in pages] == [
        True,
        False,
        False,
    ]
    assert ["等待确认入账，可确认的人：finance2。" in page for page in pages] == [False, False, True]


def test_nobody_else_may_confirm_is_said() -> None:
    first = member("finance")

    page = browser_of(first).get(address_of(uploaded(first))).content.decode()

    assert "没有其他人可以确认入账。请管理员给一位同事相应的角色。" in page


def test_single_operator_gets_the_button_after_the_wait() -> None:
    first = member("finance")
    statement = uploaded(first)
    Merchant.objects.update(allows_single_operator=True, single_operator_wait_minutes=30)
    button, client = address_of(statement, "do/settle/"), browser_of(first)

    page = client.get(address_of(statement)).content.decode()
    early = button in page
    Statement.objects.update(created_at=timezone.now() - timedelta(minutes=31))
    late = button in client.get(address_of(statement)).content.decode()

    assert (early, late) == (False, True)
    assert "起您可以独自确认入账。" in page


def test_confirm_page_shows_rows_and_sums() -> None:
    first, second = member("finance"), member("finance2")
    statement = uploaded(first, refunded="30.00")
    order = stuck_order()

    page = browser_of(second).get(address_of(statement, "do/settle/")).content.decode()

    assert takes_of(statement) == Takes(1, Decimal("1234.50"), 1, Decimal("30.00"))
    assert "1 笔付款 ¥1,234.50，1 笔退款 ¥30.00" in page
    assert (order.number in page, "¥1,234.50" in page, "UNKNOWN000000001" in page) == (True, True, False)


def test_set_aside_it_waits_for_nobody() -> None:
    first, second = member("finance"), member("finance2")
    statement = uploaded(first)
    relay.run_relay()

    browser_of(first).post(address_of(statement, "do/set_aside/"), {"reason": "wrong day"})

    assert [tiles_of(first), tiles_of(second)] == [[], []]
    assert send_staff_mail() == 0
    settle.settle_statements()
    assert stuck_order().status == "pending"
    page = browser_of(second).get(address_of(statement)).content.decode()
    assert ("已搁置，不再等待任何人。" in page, address_of(statement, "do/settle/") in page) == (True, True)


def test_what_is_settled_is_red_no_more() -> None:
    first, second = member("finance"), member("finance2")
    account = account_at("alipay")
    statement = take(account, bills.alipay_zip([row_of(attempt(account))]), user=first)
    client = browser_of(second)

    tones = []
    for _step in range(2):
        tiles = client.get(address_of(statement)).context["tiles"]
        tones.append(next(tile["tone"] for tile in tiles if tile["url"].endswith("missing_here")))
        client.post(address_of(statement, "do/settle/"))
        settle.settle_statements()

    assert tones == ["bad", "good"]
